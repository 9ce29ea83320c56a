"""The client: one method for each request of the HTTP API."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self, Unpack, cast
from urllib.parse import quote

from soundlift.client.api import Api
from soundlift.client.connection import Connection
from soundlift.client.downloader import Downloader
from soundlift.client.errors import ApiError, ConnectionFailed, NotConverted
from soundlift.client.formats import check_format, format_for
from soundlift.client.imports import request_import
from soundlift.client.job import Job, Link
from soundlift.client.job_list import listed_jobs
from soundlift.client.keys import ApiKeys
from soundlift.client.options import Format, Options, query_of
from soundlift.client.output_file import check_output
from soundlift.client.recording import Source
from soundlift.client.resumable_upload import PART_BYTES, OnResumable
from soundlift.client.retries import OnRetry, Retries, is_unprocessed
from soundlift.client.sender import Sender
from soundlift.client.session import Credentials, OnTokens, TokenSource
from soundlift.client.transfers import Progress
from soundlift.client.uploads import Upload
from soundlift.client.webhooks import Webhooks

DEFAULT_URL = "http://127.0.0.1:8080"
POLL_SECONDS = 2
DELETE_TRIES = 4  # one cancels, one deletes, and in between the job may change its state

File = str | os.PathLike[str] | BinaryIO


class Client:
    """A client of one deployment for one user, with an API key, a token, or an email address and a password.

    Without any of them, it uses the key in SOUNDLIFT_API_KEY. With a password or a refresh token, it signs in before
    the first request that needs it, and again when its token expires. Threads may share a client; it keeps at most
    `connections` connections open. A request without side effects is repeated for `retry_seconds` while the server
    restarts or cannot be reached; `on_retry` is called before each repetition. `on_tokens` is called with the access
    token and the refresh token after each sign-in and renewal; it must not call the client. A `token_source` takes the
    place of all credentials: it is asked for an access token, and again when the server refuses that. `keys` has the
    requests about API keys, and `webhooks` those about webhooks.

    Files of more than `part_bytes` are uploaded in parts of at most that size. With `keep_records`, a small file in the
    user's folder for state lets a later process continue an upload that was interrupted.

    Every method raises ApiError if the server refuses the request, ConnectionFailed if no server answers, and OSError
    only for files on this machine.
    """

    def __init__(  # noqa: PLR0913 - each is an independent setting, given by its name
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        token: str | None = None,
        email: str | None = None,
        password: str | None = None,
        refresh_token: str | None = None,
        on_tokens: OnTokens | None = None,
        token_source: TokenSource | None = None,
        connections: int = 10,
        retry_seconds: float = 60,
        on_retry: OnRetry | None = None,
        part_bytes: int = PART_BYTES,
        keep_records: bool = True,
    ) -> None:
        connection = Connection(url or os.environ.get("SOUNDLIFT_URL") or DEFAULT_URL, connections)
        credentials = Credentials(
            api_key=api_key,
            token=token,
            email=email,
            password=password,
            refresh_token=refresh_token,
            on_tokens=on_tokens,
            token_source=token_source,
        )
        self._api = Api(connection, Retries(retry_seconds, on_retry), credentials)
        self.keys = ApiKeys(self._api)
        self.webhooks = Webhooks(self._api)
        self._sender = Sender(self._api, part_bytes, keep_records=keep_records)
        self._downloader = Downloader(self._api)

    @property
    def url(self) -> str:
        """The address of the deployment, without a slash at its end."""
        return self._api.connection.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        self._api.connection.close()

    def keep_trying(self, seconds: float, on_retry: OnRetry | None = None) -> None:
        """Change for how long requests are repeated, and the callback before each repetition."""
        self._api.retries.seconds = seconds
        self._api.retries.on_retry = on_retry

    def login(self) -> str:
        """Sign in, and return the access token."""
        return self._api.session.sign_in()

    def sign_out(self) -> None:
        """End the session at the server, and forget its tokens."""
        self._api.session.sign_out()

    def validate(self) -> Mapping[str, Any]:
        """Return the claims of this user's token."""
        try:
            claims = self._api.json("GET", "/validate").get("claims")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            detail = (
                f"There is no Soundlift API at {self.url}. Check the address, without the path of a page such as /web."
            )
            raise ApiError(error.status, code=error.code, title=error.title, detail=detail) from None
        if not isinstance(claims, dict):
            raise ConnectionFailed("The server's answer has no claims. Is it Soundlift?")
        return claims

    def convert(  # noqa: PLR0913 - each is an independent setting, given by its name
        self,
        file: File,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        replace: bool = False,
        on_upload: Progress | None = None,
        on_job: Callable[[Job], None] | None = None,
        on_download: Progress | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Convert a video to an audio file at `path`, and return the job once the file is complete.

        The format is that of the path's suffix, unless `format` names one; with `original`, OtherFormat is raised if
        the track has another format than the suffix. The path is checked before the upload. Raises NotConverted if the
        job ends without an audio file, and FileExistsError if there is a file that is not to be replaced. `on_job` is
        called while the job is waited for.
        """
        check_output(Path(path), replace=replace)
        options["format"] = cast("Format | None", format_for(Path(path), options.get("format")))
        job = self.wait(self.upload(file, name=name, on_progress=on_upload, **options), on_progress=on_job)
        if not job.ready:
            raise NotConverted(job)
        check_format(Path(path), job)
        self.download(job, path, on_download, replace=replace)
        return job

    def upload(
        self,
        file: File,
        name: str | None = None,
        on_progress: Progress | None = None,
        on_resumable: OnResumable | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Upload a video, and return its job; an open file is sent from its current position.

        A large file goes straight to the server's media store, or else in parts, if the server offers it. After a lost
        connection, a part is sent again, and any other file as a whole, unless the server has accepted it already. A
        file that cannot seek, such as a pipe, is sent only once. What goes through the server in parts, from a file
        given by its path, continues even in a later process that uploads it with the same options: `on_resumable` is
        called with the bytes that the server has, and those of all, at first and after each part.
        """
        if not isinstance(file, str | os.PathLike):
            return self._sender.send(Upload(file, name, on_progress), query_of(options), Source())
        with Path(file).open("rb") as opened:
            source = Source(Path(file), on_resumable)
            return self._sender.send(Upload(opened, name, on_progress), query_of(options), source)

    def import_url(self, url: str, name: str | None = None, **options: Unpack[Options]) -> Job:
        """Let the server import the video at a URL, and return its job; `name` is that of the file."""
        return request_import(self._api, url, name, query_of(options))

    def job(self, job: Job | str, wait: float = 0) -> Job:
        """Return a job once it has ended, or after `wait` seconds in its current state; a server waits at most 60 s."""
        return Job.of(self._api.json("GET", _path(job), query={"wait": str(int(wait))}, wait=wait + 60))

    def wait(
        self, job: Job | str, on_progress: Callable[[Job], None] | None = None, timeout: float | None = None
    ) -> Job:
        """Poll a job, and return it once it has ended, or after `timeout` seconds in its current state.

        `on_progress` is called with the job after each poll.
        """
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            polled_at = time.monotonic()
            current = self.job(job, wait=max(0, min(POLL_SECONDS, deadline - polled_at)))
            if on_progress:
                on_progress(current)
            if current.ended or time.monotonic() >= deadline:
                return current
            # A server with too many waiting requests answers immediately.
            time.sleep(max(0, min(polled_at + POLL_SECONDS, deadline) - time.monotonic()))

    def jobs(self, q: str | None = None, state: str | None = None, user: str | None = None) -> Iterator[Job]:
        """Return the jobs of this user, or of all users for an admin, newest first, as they arrive.

        `q` is a text that the file name contains, in any case. `user` is for admins.
        """
        query = {name: value for name, value in (("q", q), ("state", state), ("user", user)) if value is not None}
        return listed_jobs(self._api, query)

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job that has not ended, and return it; an ended job is returned as it is."""
        current = self.job(job)
        if current.ended:
            return current
        try:
            return self._remove(job, {"only": "cancel"}) or self.job(job)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        return self.job(job)  # it has ended in the meantime

    def delete(self, job: Job | str) -> None:
        """Delete a job and its files, after cancelling it if it has not ended."""
        for _ in range(DELETE_TRIES):
            try:
                if self._remove(job) is None:
                    return
            except ApiError as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
        raise ConnectionFailed("The job keeps changing its state; delete it again.")

    def retry(self, job: Job | str) -> Job:
        """Queue a failed or cancelled job again, with the video that the server still has, and return it."""
        return Job.of(self._api.json("POST", f"{_path(job)}/retry", may_repeat=is_unprocessed))

    def link(self, jobs: Job | str | Iterable[Job | str]) -> Link:
        """Return a link that downloads the audio file of a job, or a ZIP file of several, without a sign-in."""
        if isinstance(jobs, Job | str):
            return Link.of(self._api.json("POST", f"{_path(jobs)}/link"))
        return Link.of(self._api.json("POST", "/jobs/links", {"jobs": [_id(job) for job in jobs]}))

    def download(
        self,
        job: Job | str,
        path: str | os.PathLike[str],
        on_progress: Progress | None = None,
        *,
        replace: bool = False,
    ) -> Path:
        """Save the audio file of a job at a path, which only ever holds a complete file, and return the path.

        An interrupted download continues where it was, even in a later process that saves the same job at the same
        path. Raises FileExistsError if there is a file that is not to be replaced.
        """
        return self._downloader.save(_id(job), Path(path), on_progress, replace=replace)

    def download_zip(
        self,
        jobs: Iterable[Job | str],
        path: str | os.PathLike[str],
        on_progress: Progress | None = None,
        *,
        replace: bool = False,
    ) -> Path:
        """Save a ZIP file with the audio files of several jobs, like `download`."""
        return self._downloader.save_zip([_id(job) for job in jobs], Path(path), on_progress, replace=replace)

    def download_to(self, job: Job | str, file: BinaryIO, on_progress: Progress | None = None) -> None:
        """Write the audio file of a job to an open file."""
        self._downloader.write(_id(job), file, on_progress)

    def _remove(self, job: Job | str, query: Mapping[str, str] | None = None) -> Job | None:
        """Cancel a queued or running job, and return it; delete a job that has ended, and return None."""
        document = self._api.json("DELETE", _path(job), query=query or {}, may_repeat=is_unprocessed)
        return Job.of(document) if document else None


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job


def _path(job: Job | str) -> str:
    return f"/jobs/{quote(_id(job), safe='')}"
