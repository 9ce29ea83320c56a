"""Uploads to the function, and the traces that they leave."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from werkzeug.test import TestResponse

from functions.upload.body import BLOCK_BYTES
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, job_now
from tests.fixtures.functions import Call

NAME = "Ünïcode 🎵.mp4"
LARGE = MP4 + bytes(3 * BLOCK_BYTES)
FORM_TYPE = "multipart/form-data; boundary=x"


class SlowBody(io.BytesIO):
    """A large video that calls a function before each block except the first."""

    def __init__(self, before_block: Callable[[], None]) -> None:
        super().__init__(LARGE)
        self.before_block = before_block

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            self.before_block()
        return super().read(size)


def build_form(content: bytes, parameters: str = 'filename="a.mp4"', headers: bytes = b"") -> bytes:
    """Return a form with one file and the boundary x."""
    head = f'--x\r\nContent-Disposition: form-data; name="f"; {parameters}'.encode()
    return head + headers + b"\r\n\r\n" + content + b"\r\n--x--\r\n"


def send(
    function: Call, services: Services, content: bytes | io.BytesIO, *, as_form: bool = False, announced: bool = True
) -> TestResponse:
    """Upload a file, with a Content-Length or, like a chunked body, without."""
    if as_form:
        assert isinstance(content, bytes)
        content = build_form(content)
    return function("upload").post(
        "/",
        input_stream=io.BytesIO(content) if isinstance(content, bytes) else content,
        content_type=FORM_TYPE if as_form else "video/mp4",
        environ_overrides={} if announced else {"CONTENT_LENGTH": "", "wsgi.input_terminated": True},
        headers=bearer(services),
    )


def read_stored(services: Services, fid: str) -> bytes:
    """Return the content of a stored video."""
    with services.videos.open(fid).file as file:
        return file.read()


def only_job(services: Services) -> Job:
    """Return the only job, in any state."""
    with services.database.read() as connection:
        return job_now(services, connection.scalars(sa.select(table.c.id)).one())


def traces(services: Services) -> list[object]:
    """Return every row and every stored file."""
    with services.database.read() as connection:
        rows = list(connection.execute(sa.select(table.c.id)))
    return [*rows, *_files(services.settings.soundlift_data / "media")]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
