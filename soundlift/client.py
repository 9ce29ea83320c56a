"""Speaks the HTTP API of any Soundlift deployment."""

from __future__ import annotations

import mimetypes
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

import urllib3

BLOCK = 256 * 1024
POLL_SECONDS = 2
CONNECT_SECONDS = 20
TIMEOUT = urllib3.Timeout(connect=CONNECT_SECONDS, read=120)
RETRIES = urllib3.Retry(
    total=3, backoff_factor=0.2, status_forcelist=[429, 502, 503, 504], allowed_methods=["GET"], raise_on_status=False
)
LOGIN_RETRIES = RETRIES.new(allowed_methods=["POST"])  # a sign-in changes nothing, so it can be repeated

Progress = Callable[[int, int | None], None]
"""Is told how many bytes have passed, and of how many, if that is known."""


class ClientError(Exception):
    """Is the base of what goes wrong between this client and a server; `detail` is one sentence for a person."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ConnectionFailed(ClientError):
    """Says that no server answers at the address, or that a transfer broke off."""


class ApiError(ClientError):
    """Is what the server refused, and why: the fields of its problem document (RFC 9457)."""

    def __init__(self, status: int, *, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title

    @classmethod
    def of(cls, response: urllib3.BaseHTTPResponse) -> Self:
        """Make the error of a response, also where a proxy in between has answered without a problem document."""
        found = _json_of(response)
        problem = found if isinstance(found, dict) else {}
        title = str(problem.get("title", response.reason))
        return cls(
            response.status,
            code=str(problem.get("code", "unexpected_answer")),
            title=title,
            detail=str(problem.get("detail", f"The server answered {response.status} {title}.")),
        )


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One message to the owner of a job that ended; `error` says why it was given up."""

    channel: str
    delivered_at: datetime | None
    error: str | None

    @property
    def pending(self) -> bool:
        """Return whether the message has been neither delivered nor given up."""
        return self.delivered_at is None and self.error is None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read a notification in a job's JSON document."""
        delivered_at = document["delivered_at"]
        return cls(
            channel=document["channel"],
            delivered_at=datetime.fromisoformat(delivered_at) if delivered_at else None,
            error=document["error"],
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A video and its conversion; sizes in bytes, `length` in seconds of sound, `percent` of the conversion.

    `missing_seconds` of the sound could not be read; None means unknown. `options` says how the MP3 is made, with the
    names of the parameters of Client.upload. `notifications` is empty until the job has ended.
    """

    id: str
    state: str
    percent: int
    file_name: str
    username: str
    video_bytes: int | None
    mp3_bytes: int | None
    length: float | None
    missing_seconds: float | None
    options: Mapping[str, Any]
    error_code: str | None
    error: str | None
    created_at: datetime
    notifications: Sequence[Notification]

    @property
    def ready(self) -> bool:
        """Tell whether the MP3 can be downloaded."""
        return self.state == "ready"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen to the sound of this job."""
        return self.state in ("ready", "failed", "cancelled", "expired")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read the job's JSON document."""
        error = document["error"] or {}
        converted = {
            "options": document.get("options") or {},
            "id": document["job_id"],
            "error_code": error.get("code"),
            "error": error.get("detail"),
            "created_at": datetime.fromisoformat(document["created_at"]),
            "notifications": [Notification.of(one) for one in document.get("notifications") or []],
        }
        return cls(**{**{item.name: document.get(item.name) for item in fields(cls)}, **converted})


class Client:
    """Acts for one user of the deployment at `url`, with a token, or with an address and a password.

    The sign-in happens before the first request that needs it. Every method raises ApiError for a refusal and
    ConnectionFailed where no server answers.
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
        self._token = str(
            _object_in(self._send("POST", "/login", json=credentials, retries=LOGIN_RETRIES))["access_token"]
        )
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
        """Send a video, a path or a file that can seek, from its position on, and return its job.

        `options` are those of docs/options.md, such as {"bitrate": "192"}.
        """
        if isinstance(file, str | os.PathLike):
            with Path(file).open("rb") as opened:
                return self.upload(opened, name, on_progress, options)
        name = name or Path(str(getattr(file, "name", "video"))).name
        begin = file.tell()
        size = file.seek(0, os.SEEK_END) - begin
        file.seek(begin)
        headers = {
            "Content-Length": str(size),
            "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "X-Filename": quote(name),
        }
        body = _blocks(file, size, on_progress or _ignore)
        query = f"?{urlencode(options)}" if options else ""
        return self._job("POST", f"/upload{query}", body=body, headers=headers, retries=False)

    def job(self, job_id: str, wait: float = 0) -> Job:
        """Return a job as soon as it has ended, or as it is when `wait` seconds are over; the server waits up to 60."""
        timeout = urllib3.Timeout(connect=TIMEOUT.connect_timeout, read=wait + 60)
        return self._job("GET", f"/jobs/{quote(job_id, safe='')}", fields={"wait": str(int(wait))}, timeout=timeout)

    def wait(self, job_id: str, on_progress: Callable[[Job], None] | None = None, timeout: float | None = None) -> Job:
        """Return a job when it has ended, or as it is after `timeout` seconds; show it each time it is looked at."""
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            asked = time.monotonic()
            job = self.job(job_id, wait=max(0, min(POLL_SECONDS, deadline - asked)))
            if on_progress:
                on_progress(job)
            if job.ended or time.monotonic() >= deadline:
                return job
            # A server whose places for waiting are all taken answers at once.
            time.sleep(max(0, min(asked + POLL_SECONDS, deadline) - time.monotonic()))

    def jobs(self) -> Iterator[Job]:
        """Yield all jobs of this user, newest first; an admin's are those of all users."""
        after: dict[str, str] = {}
        while True:
            page = self._json("GET", "/jobs", fields=after)
            for document in page["jobs"]:
                yield Job.of(document)
            if "next" not in page["links"]:
                return
            after = {"after": page["jobs"][-1]["job_id"]}

    def remove(self, job_id: str) -> Job | None:
        """Cancel a job that waits or runs, and return it; delete one that has ended, and return None."""
        response = self._call("DELETE", f"/jobs/{quote(job_id, safe='')}")
        return None if response.status == HTTPStatus.NO_CONTENT else Job.of(_object_in(response))

    def download(self, job: Job | str, path: str | os.PathLike[str], on_progress: Progress | None = None) -> Path:
        """Save the MP3 of a job under a path, which has it whole or not at all, and return the path."""
        target = Path(path)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        job_id = job.id if isinstance(job, Job) else job
        response = self._call("GET", "/download", fields={"job": job_id}, preload_content=False)
        try:
            with draft.open("xb") as file:
                _save(response, file, on_progress or _ignore)
            draft.replace(target)
        finally:
            response.close()
            draft.unlink(missing_ok=True)
        return target

    def _job(self, method: str, path: str, **options: Any) -> Job:
        return Job.of(self._json(method, path, **options))

    def _json(self, method: str, path: str, **options: Any) -> Any:
        return _object_in(self._call(method, path, **options))

    def _call(self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        token = self._token or self.login()
        return self._send(method, path, headers={**(headers or {}), "Authorization": f"Bearer {token}"}, **options)

    def _send(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Return the response to a request; raises the errors that the class promises.

        A refusal may come before the whole body was sent. urllib3 then reads it, although the server has closed
        the connection.
        """
        with _errors_of_connection(self.url):
            response = self._http.request(method, self.url + path, redirect=False, **options)
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return response
            response.read(cache_content=True)
        raise ApiError.of(response)


@contextmanager
def _errors_of_connection(url: str = "The server") -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
        match reason:
            case urllib3.exceptions.NewConnectionError():
                raise ConnectionFailed(f"{url} cannot be reached ({_why(reason)}).") from None
            case urllib3.exceptions.ConnectTimeoutError():
                raise ConnectionFailed(f"{url} cannot be reached (no answer within {CONNECT_SECONDS} s).") from None
            case _:
                raise ConnectionFailed(f"{url} does not answer as it should: {reason}") from None


def _why(error: urllib3.exceptions.NewConnectionError) -> str:
    """Return what the system says of a connection that could not be made."""
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or str(error)


def _json_of(response: urllib3.BaseHTTPResponse) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _object_in(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    found = _json_of(response)
    if not isinstance(found, dict):
        raise ConnectionFailed("The server's answer is not JSON. Is this the address of a Soundlift gateway?")
    return found


def _blocks(file: BinaryIO, size: int, on_progress: Progress) -> Iterator[bytes]:
    sent = 0
    while sent < size:
        block = file.read(min(BLOCK, size - sent))
        if not block:
            raise ConnectionFailed(f"The file became shorter while it was sent: {sent} of {size} bytes.")
        yield block
        sent += len(block)
        on_progress(sent, size)


def _save(response: urllib3.BaseHTTPResponse, file: BinaryIO, on_progress: Progress) -> None:
    """Write a body to a file; urllib3 compares its length with Content-Length."""
    length = response.headers.get("Content-Length")
    received = 0
    with _errors_of_connection():
        for block in response.stream(BLOCK):
            file.write(block)
            received += len(block)
            on_progress(received, int(length) if length else None)


def _ignore(done: int, total: int | None) -> None:
    return
