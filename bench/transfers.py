"""Measures uploads and downloads with a folder as the store, against gunicorn writing and sending plain files."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.clients import receive, send_form, send_raw
from bench.clips import compressed
from bench.comparison import Goal, Result, Row, Sample, Way, compare
from bench.processes import Gunicorn, Memory, served
from bench.stage import OWNER, Stage, stage
from soundlift.common.media import MediaInfo

MEGABYTES = 300
ROUNDS = 15
NO_QUOTA = {"MAX_JOBS_IN_FLIGHT": "0", "MAX_STORED_BYTES": "0"}  # one user sends all, and nothing converts it
Answer = TypeVar("Answer")
Send = Callable[[str, Path, Mapping[str, str]], bytes]


@dataclass(frozen=True)
class Pair:
    """Are a function and the baseline, which serve beside each other."""

    place: Stage
    ours: Gunicorn
    plain: Gunicorn

    @property
    def headers(self) -> dict[str, str]:
        """Return what signs the owner in."""
        return {"Authorization": f"Bearer {self.place.services.tokens.sign_in(OWNER, admin=False)}"}


@contextmanager
def beside_plain(function: str) -> Iterator[Pair]:
    """Serve a function, and the baseline."""
    with (
        stage(**NO_QUOTA) as place,
        served(f"functions.{function}.handler:app", place.environment) as ours,
        served("bench.plain:app", place.environment) as plain,
    ):
        yield Pair(place, ours, plain)


def upload(row: Row, send: Send, plain_path: str) -> Result:
    """Compare an upload, which ends durable and queued, with the same bytes as a body that is written to a file."""
    video = compressed(MEGABYTES)
    with beside_plain("upload") as pair:

        def ours() -> Sample:
            sample, answer = _timed(pair.ours, video.stat().st_size, partial(send, pair.ours.url, video, pair.headers))
            pair.place.services.videos.delete(json.loads(answer)["video_fid"])
            return sample

        def plain() -> Sample:
            url = pair.plain.url + plain_path
            sample, _ = _timed(pair.plain, video.stat().st_size, partial(send_raw, url, video, {}))
            (pair.place.folder / "received").unlink()
            return sample

        return compare(row, ours, plain)


def download(row: Row) -> Result:
    """Compare a download with Flask's send_file."""
    content = compressed(MEGABYTES)
    size = content.stat().st_size
    with beside_plain("download") as pair:
        shutil.copy(content, pair.place.folder / "sent")
        path = f"/?job={_ready_job(pair.place, content)}"
        return compare(
            row,
            _receiving(pair.ours, path, pair.headers, size),
            _receiving(pair.plain, "/file", {}, size),
        )


def _receiving(server: Gunicorn, path: str, headers: Mapping[str, str], size: int) -> Way:
    def way() -> Sample:
        sample, length = _timed(server, size, partial(receive, server.url, path, headers))
        assert length == size
        return sample

    return way


def _ready_job(place: Stage, content: Path) -> str:
    job = place.queued_job(content)
    claim = place.services.jobs.claim(job)
    assert claim is not None
    writer = place.services.mp3s.create(str(claim.mp3_fid), MediaInfo(OWNER, "a.mp3", "audio/mpeg", job.id))
    writer.write(content.read_bytes())
    assert place.services.jobs.ready(claim, mp3_bytes=writer.commit(), length=1.0)
    return job.id


def _timed(server: Gunicorn, size: int, ask: Callable[[], Answer]) -> tuple[Sample, Answer]:
    began = time.perf_counter()
    with Memory(server.pid) as memory:
        answer = ask()
        seconds = time.perf_counter() - began
    return Sample(size / 1e6 / seconds, memory.peak_mb), answer


RAW = Goal(0.9, at_least=True)
FORM = Goal(0.8, at_least=True)
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("upload-raw", "MB/s", RAW, ROUNDS): partial(upload, send=send_raw, plain_path="/?flush"),
    Row("upload-multipart", "MB/s", FORM, ROUNDS): partial(upload, send=send_form, plain_path="/?flush"),
    Row("upload-raw-unflushed", "MB/s", None, ROUNDS): partial(upload, send=send_raw, plain_path="/"),
    Row("upload-multipart-unflushed", "MB/s", None, ROUNDS): partial(upload, send=send_form, plain_path="/"),
    Row("download", "MB/s", Goal(0.8, at_least=True), ROUNDS): download,
}
