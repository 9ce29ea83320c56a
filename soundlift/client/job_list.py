"""The list of jobs, which the server sends in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from soundlift.client.api import Api
from soundlift.client.errors import ConnectionFailed
from soundlift.client.job import Job


def listed_jobs(api: Api, query: Mapping[str, str]) -> Iterator[Job]:
    """Yield the jobs that a query is limited to, newest first; raises ConnectionFailed if the answer lists none."""
    query = dict(query)
    while True:
        page = api.json("GET", "/jobs", query=query)
        jobs, links = page.get("jobs"), page.get("links")
        if not isinstance(jobs, list) or not isinstance(links, dict):
            raise ConnectionFailed("The server's answer does not list jobs. Is it Soundlift?")
        for job in map(Job.of, jobs):
            # A server without a cursor is an older one, which lists all jobs regardless of the query.
            if "cursor" in page or _matches(job, query):
                yield job
        following = query | dict(parse_qsl(urlsplit(str(links.get("next", ""))).query))
        if following == query:
            return
        query = following


def _matches(job: Job, query: Mapping[str, str]) -> bool:
    """Return whether a job is one of those that a list was limited to."""
    return (
        query.get("q", "").casefold() in job.file_name.casefold()
        and query.get("state", job.state) == job.state
        and query.get("user", job.username) == job.username
    )
