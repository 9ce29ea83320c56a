"""The downloads of one client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import urllib3

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.downloads import Fetch, NewFile, OpenFile, Transfer
from soundlift.client.errors import ApiError, NotSupported
from soundlift.client.transfers import Progress


class Downloader:
    """Downloads to files and to open streams, each of which continues where it was interrupted."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def save(self, job_id: str, path: Path, on_progress: Progress | None, *, replace: bool) -> Path:
        """Save the audio file of a job, and return the path."""
        return self._save({"job": job_id}, path, on_progress, replace=replace)

    def save_zip(self, job_ids: Sequence[str], path: Path, on_progress: Progress | None, *, replace: bool) -> Path:
        """Save a ZIP file with the audio files of several jobs, and return the path."""
        with _zip_errors():
            return self._save({"jobs": ",".join(job_ids)}, path, on_progress, replace=replace)

    def write(self, job_id: str, file: BinaryIO, on_progress: Progress | None) -> None:
        """Write the audio file of a job to an open file."""
        Transfer(self._fetch({"job": job_id}), OpenFile(file), self._api.retries, on_progress).run()

    def _save(self, query: dict[str, str], path: Path, on_progress: Progress | None, *, replace: bool) -> Path:
        fetch = self._fetch(query)
        key = "\n".join((self._api.connection.url, *query.values(), path.name))
        with NewFile(path, key, replace=replace).opened() as file:
            version, total = file.continued(fetch)
            Transfer(fetch, file, self._api.retries, on_progress, version, total).run()
        return path

    def _fetch(self, query: dict[str, str]) -> Fetch:
        def fetch(method: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
            request = Request(method=method, path="/download", query=query, headers=headers)
            return self._api.send(request, self._api.connection.open)

        return fetch


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
