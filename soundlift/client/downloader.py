"""The downloads of one client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from typing import BinaryIO

import urllib3

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.downloads import Fetch, NewFile, OpenFile, Transfer
from soundlift.client.errors import ApiError, NotSupported
from soundlift.client.store_redirects import StoreRedirects
from soundlift.client.transfers import Progress

MAX_URL_JOBS = 100  # that a server accepts in a URL


class Downloader:
    """Downloads to files and to open streams, each of which continues where it was interrupted."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._redirects = StoreRedirects(api.connection)

    def save(self, job_id: str, path: Path, on_progress: Progress | None, *, replace: bool) -> Path:
        """Save the audio file of a job, and return the path."""
        return self._save(_job_request(job_id), path, on_progress, replace=replace)

    def save_zip(self, job_ids: Sequence[str], path: Path, on_progress: Progress | None, *, replace: bool) -> Path:
        """Save a ZIP file with the audio files of several jobs, and return the path."""
        with _zip_errors():
            return self._save(_archive_request(job_ids), path, on_progress, replace=replace)

    def write(self, job_id: str, file: BinaryIO, on_progress: Progress | None) -> None:
        """Write the audio file of a job to an open file."""
        Transfer(self._fetch(_job_request(job_id)), OpenFile(file), self._api.retries, on_progress).run()

    def _save(self, request: Request, path: Path, on_progress: Progress | None, *, replace: bool) -> Path:
        fetch = self._fetch(request)
        key = "\n".join((self._api.connection.url, *request.query.values(), path.name))
        with NewFile(path, key, replace=replace).opened() as file:
            version, total = file.continued(fetch)
            Transfer(fetch, file, self._api.retries, on_progress, version, total).run()
        return path

    def _fetch(self, request: Request) -> Fetch:
        def fetch(method: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
            used = request.method if request.body else method
            sent = changed(request, method=used, headers={**request.headers, **headers})
            return self._api.send(sent, self._redirects.open)

        return fetch


def _job_request(job_id: str) -> Request:
    return Request(method="GET", path="/download", query={"job": job_id})


def _archive_request(job_ids: Sequence[str]) -> Request:
    """Return a request that names the jobs in its URL, as every server understands, or in its body if they are many."""
    if len(job_ids) > MAX_URL_JOBS:
        return Request.of_json("POST", "/download", {"jobs": job_ids})
    return Request(method="GET", path="/download", query={"jobs": ",".join(job_ids)})


@contextmanager
def _zip_errors() -> Iterator[None]:
    """Raise NotSupported in place of the answer of an older server, which ignores the parameter `jobs`."""
    try:
        yield
    except ApiError as error:
        if error.detail != "fid is required":
            raise
        detail = "The server does not make ZIP files; it may be older than this client."
        raise NotSupported(error.status, code=error.code, title=error.title, detail=detail) from None
