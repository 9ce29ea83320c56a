"""The jobs that the API lists for an admin, and the sound of their audio files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import urllib3

from soundlift.client import Client, ClientError, Job
from tests.chaos.clips.tones import Sound, measure
from tests.chaos.outside.view import SeenJob

THREADS = 4
PAGE = 100
TIMEOUT_SECONDS = 60


def read_jobs(client: Client) -> dict[str, SeenJob]:
    """Return all jobs by id. The client class does not show the ids of the files, which the documents have."""
    headers = {"Authorization": f"Bearer {client.login()}"}
    query, found = {"limit": str(PAGE)}, {}
    while True:
        answer = urllib3.request("GET", f"{client.url}/jobs", fields=query, headers=headers, timeout=TIMEOUT_SECONDS)
        assert answer.status == 200, answer.data
        page = answer.json()
        for document in page["jobs"]:
            found[document["job_id"]] = SeenJob(Job.of(document), document["video_fid"], document["mp3_fid"])
        following = dict(parse_qsl(urlsplit(page["links"].get("next", "")).query))
        if not following:
            return found
        query = following


def read_sounds(client: Client, jobs: Mapping[str, SeenJob]) -> dict[str, Sound | None]:
    """Download the audio file of each job that is ready, and return its sound, None if it has none."""
    ready = [seen.job for seen in jobs.values() if seen.job.ready]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(_ids(ready), pool.map(lambda job: _sound(client, job, Path(folder)), ready), strict=True))


def _ids(jobs: Iterable[Job]) -> list[str]:
    return [job.id for job in jobs]


def _sound(client: Client, job: Job, folder: Path) -> Sound | None:
    path = folder / f"{job.id}.{job.format}"
    try:
        client.download(job, path)
    except ClientError:
        return None
    try:
        return measure(path)
    finally:
        path.unlink()
