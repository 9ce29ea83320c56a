"""A server of one file that can be resumed, whose connections a test cuts; and jobs that import from it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_network

import sqlalchemy as sa

from soundlift.common.db.tables import job_sources, resumable_uploads
from soundlift.common.errors import StoreUnavailable
from soundlift.common.jobs.import_requests import ImportRequest
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.media import MediaInfo
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.factories.jobs import MP4
from tests.outbound.servers import RawServer

LARGE = MP4 + bytes(range(256)) * 8192  # 2 MiB and a little
SLICE = 1000  # bytes at a time, of a server that waits for something
RANGE = re.compile(r"\r\nRange: bytes=([0-9]+)-\r\n")
IF_RANGE = re.compile(r"\r\nIf-Range: (.*)\r\n")


class Source:
    """The answers of a server with one file.

    For each number in `cuts`, the connection of one request is closed after as many bytes of the body. `headers` are
    sent with each response. The file is sent in whole if If-Range names another validator than `validator`.
    """

    def __init__(
        self,
        content: bytes = LARGE,
        *,
        cuts: Sequence[int] = (),
        headers: Sequence[str] = ('ETag: "1"',),
        validator: str = '"1"',
    ) -> None:
        self.content = content
        self.cuts = list(cuts)
        self.headers = headers
        self.validator = validator

    def __call__(self, head: str) -> Iterator[bytes]:
        asked, condition = RANGE.search(head), IF_RANGE.search(head)
        is_part = asked is not None and (condition is None or condition[1] == self.validator)
        first = int(asked[1]) if asked and is_part else 0
        size = len(self.content)
        lines = ["HTTP/1.1 206 Partial Content" if is_part else "HTTP/1.1 200 OK", f"Content-Length: {size - first}"]
        if is_part:
            lines.append(f"Content-Range: bytes {first}-{size - 1}/{size}")
        yield "\r\n".join([*lines, *self.headers, "", ""]).encode("latin-1")
        end = first + self.cuts.pop(0) if self.cuts else size
        for position in range(first, min(end, size), 65536):
            yield self.content[position : min(position + 65536, end)]


class SlowSource(Source):
    """A source whose blocks arrive slowly until a function returns True."""

    def __init__(self, content: bytes, is_enough: Callable[[], bool]) -> None:
        super().__init__(content)
        self._is_enough = is_enough

    def __call__(self, head: str) -> Iterator[bytes]:
        for block in super().__call__(head):
            for position in range(0, len(block), SLICE):
                yield block[position : position + SLICE]
                if not self._is_enough():
                    time.sleep(0.02)


def first_byte(head: str) -> int | None:
    """Return the position from which a request asks for the file; None if it asks for all of it."""
    found = RANGE.search(head)
    return int(found[1]) if found else None


def allow_loopback(services: Services) -> None:
    """Let imports reach the servers of a test."""
    loopback = (ip_network("127.0.0.0/8"),)
    services.settings = replace(services.settings, outbound_allow=loopback, outbound_ports=())


def importing_job(
    services: Services,
    url: str = "https://example.org/talk.mp4?token=secret",
    *,
    email: str = "ada@example.org",
    is_named: bool = False,
) -> Job:
    request = ImportRequest(
        url=url,
        shown_url=url.partition("?")[0],
        file_name="talk.mp4",
        is_named=is_named,
        options=AudioOptions.defaults(services.settings).to_json(),
        traceparent=None,
    )
    reservation = Reservation(0, Limits(jobs=0, stored_bytes=0, retention=60))
    return services.jobs.request_import(request, username=email, reservation=reservation)


def job_from(services: Services, server: RawServer, path: str = "/talk.mp4") -> Job:
    """Return a job that imports a file of a server on this machine."""
    allow_loopback(services)
    return importing_job(services, f"{server.url}{path}")


def age_source(services: Services, job: Job, seconds: float) -> None:
    """Move all times of an import into the past."""
    columns = ("claimed_until", "due_at", "created_at")
    values = {name: job_sources.c[name] - seconds for name in columns}
    with services.database.write() as connection:
        connection.execute(sa.update(job_sources).where(job_sources.c.job == job.id).values(values))


def stored_bytes(services: Services) -> int:
    """Return how much of the only import is stored by the account of its row."""
    with services.database.read() as connection:
        return connection.scalar(sa.select(resumable_uploads.c.received)) or 0


def source_rows(services: Services) -> list[sa.Row[tuple[object, ...]]]:
    with services.database.read() as connection:
        return list(connection.execute(sa.select(job_sources)))


class FullStore:
    """A store in which no file can be begun."""

    def __init__(self, services: Services) -> None:
        self._videos = services.videos
        self.delete = self._videos.delete
        self.resumable = lambda: self
        self.open = self._videos.open
        self.check = self._videos.check

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        raise StoreUnavailable("The media store does not answer.")
