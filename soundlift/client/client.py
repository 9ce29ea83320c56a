"""The client: one method for each request of the HTTP API."""

from __future__ import annotations

import mimetypes
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import urllib3

from soundlift.client.connection import LOGIN_RETRIES, RETRIES, TIMEOUT, connection_errors
from soundlift.client.job import Job
from soundlift.client.responses import api_error, json_object
from soundlift.client.transfers import Progress, blocks_of, save_body

POLL_SECONDS = 2


class Client:
    """A client of the deployment at `url` for one user, with a token, or with an email address and a password.

    It signs in before the first request that needs it. Every method raises ApiError if the server refuses the request,
    and ConnectionFailed if no server answers.
    """

    def __init__(
        self, url: str, *, token: str | None = None, email: str | None = None, password: str | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._email = email
        self._password = password
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=RETRIES)

    def login(self) -> str:
        """Sign in, and return the bearer token."""
        credentials = {"email": self._email, "password": self._password}
        response = self._send("POST", "/login", json=credentials, retries=LOGIN_RETRIES)
        self._token = str(json_object(response)["access_token"])
        return self._token

    def validate(self) -> Mapping[str, Any]:
        """Return the claims of this user's token."""
        claims: Mapping[str, Any] = self._json("GET", "/validate")["claims"]
        return claims

    def upload(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        name: str | None = None,
        on_progress: Progress | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Job:
        """Upload a video, and return its job; an open file must be seekable, and is sent from its current position.

        `options` are those of docs/options.md, such as {"bitrate": "192"}.
        """
        if isinstance(file, str | os.PathLike):
            with Path(file).open("rb") as opened:
                return self.upload(opened, name, on_progress, options)
        name = name or Path(str(getattr(file, "name", "video"))).name
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        headers = {
            "Content-Length": str(size),
            "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "X-Filename": quote(name),
        }
        query = f"?{urlencode(options)}" if options else ""
        body = blocks_of(file, size, on_progress)
        return self._job("POST", f"/upload{query}", body=body, headers=headers, retries=False)

    def job(self, job_id: str, wait: float = 0) -> Job:
        """Return a job once it has ended, or after `wait` seconds in its current state; a server waits at most 60 s."""
        timeout = urllib3.Timeout(connect=TIMEOUT.connect_timeout, read=wait + 60)
        return self._job("GET", f"/jobs/{quote(job_id, safe='')}", fields={"wait": str(int(wait))}, timeout=timeout)

    def wait(self, job_id: str, on_progress: Callable[[Job], None] | None = None, timeout: float | None = None) -> Job:
        """Poll a job, and return it once it has ended, or after `timeout` seconds in its current state.

        `on_progress` is called with the job after each poll.
        """
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            polled_at = time.monotonic()
            job = self.job(job_id, wait=max(0, min(POLL_SECONDS, deadline - polled_at)))
            if on_progress:
                on_progress(job)
            if job.ended or time.monotonic() >= deadline:
                return job
            # A server with too many waiting requests answers immediately.
            time.sleep(max(0, min(polled_at + POLL_SECONDS, deadline) - time.monotonic()))

    def jobs(self) -> Iterator[Job]:
        """Yield all jobs of this user, or of all users for an admin, newest first."""
        after: dict[str, str] = {}
        while True:
            page = self._json("GET", "/jobs", fields=after)
            for document in page["jobs"]:
                yield Job.of(document)
            if "next" not in page["links"]:
                return
            after = {"after": page["jobs"][-1]["job_id"]}

    def remove(self, job_id: str) -> Job | None:
        """Cancel a queued or running job, and return it; delete a job that has ended, and return None."""
        response = self._call("DELETE", f"/jobs/{quote(job_id, safe='')}")
        return None if response.status == HTTPStatus.NO_CONTENT else Job.of(json_object(response))

    def download(self, job: Job | str, path: str | os.PathLike[str], on_progress: Progress | None = None) -> Path:
        """Save the MP3 of a job to a path, which only ever holds a complete file, and return the path."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        job_id = job.id if isinstance(job, Job) else job
        response = self._call("GET", "/download", fields={"job": job_id}, preload_content=False)
        try:
            with partial.open("xb") as file:
                save_body(response, file, on_progress)
            partial.replace(target)
        finally:
            response.close()
            partial.unlink(missing_ok=True)
        return target

    def _job(self, method: str, path: str, **options: Any) -> Job:
        return Job.of(self._json(method, path, **options))

    def _json(self, method: str, path: str, **options: Any) -> Any:
        return json_object(self._call(method, path, **options))

    def _call(self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        token = self._token or self.login()
        return self._send(method, path, headers={**(headers or {}), "Authorization": f"Bearer {token}"}, **options)

    def _send(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Return the response to a request; raises ApiError and ConnectionFailed.

        The server may refuse a request and close the connection before the whole body has been sent; urllib3 still
        reads that response.
        """
        with connection_errors(self.url):
            response = self._http.request(method, self.url + path, redirect=False, **options)
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return response
            response.read(cache_content=True)
        raise api_error(response)
