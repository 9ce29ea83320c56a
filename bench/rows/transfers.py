"""Measures uploads to and downloads from a folder store, against a plain Flask application."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.harness.clients import receive, send_form, send_raw
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.deployment import OWNER, Deployment
from bench.harness.pair import served_with_baseline
from bench.harness.processes import Gunicorn, Memory
from bench.inputs.clips import compressed
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.media import MediaInfo

MEGABYTES = 300
ROUNDS = 15
Answer = TypeVar("Answer")
Send = Callable[[str, Path, Mapping[str, str]], bytes]


def upload(row: Row, send: Send) -> Result:
    """Compare an upload, which ends durable and queued, with writing the same body to a file and flushing it."""
    video = compressed(MEGABYTES)
    with served_with_baseline("upload") as pair:

        def ours() -> Sample:
            sample, answer = _time(pair.ours, video.stat().st_size, partial(send, pair.ours.url, video, pair.headers))
            pair.deployment.services.videos.delete(json.loads(answer)["video_fid"])
            return sample

        def plain() -> Sample:
            sample, _ = _time(pair.plain, video.stat().st_size, partial(send_raw, pair.plain.url, video, {}))
            (pair.deployment.folder / "received").unlink()
            return sample

        return compare(row, ours, plain)


def download(row: Row) -> Result:
    """Compare a download with Flask's send_file."""
    content = compressed(MEGABYTES)
    size = content.stat().st_size
    with served_with_baseline("download") as pair:
        shutil.copy(content, pair.deployment.folder / "sent")
        path = f"/?job={ready_job(pair.deployment, content)}"
        return compare(
            row,
            _download_run(pair.ours, path, pair.headers, size),
            _download_run(pair.plain, "/file", {}, size),
        )


def _download_run(server: Gunicorn, path: str, headers: Mapping[str, str], size: int) -> Run:
    def run() -> Sample:
        sample, length = _time(server, size, partial(receive, server.url, path, headers))
        assert length == size
        return sample

    return run


def ready_job(deployment: Deployment, content: Path) -> str:
    """Store the content of a file as the MP3 of a new job, and return the job's id."""
    job = deployment.queued_job(content)
    claim = deployment.services.jobs.claim(job)
    assert claim is not None
    writer = deployment.services.mp3s.create(str(claim.mp3_fid), MediaInfo(OWNER, "a.mp3", "audio/mpeg", job.id))
    writer.write(content.read_bytes())
    assert deployment.services.jobs.mark_ready(
        claim, audio=AudioDescription(format="mp3"), mp3_bytes=writer.commit(), length=1.0
    )
    return job.id


def _time(server: Gunicorn, size: int, request: Callable[[], Answer]) -> tuple[Sample, Answer]:
    began = time.perf_counter()
    with Memory(server.pid) as memory:
        answer = request()
        seconds = time.perf_counter() - began
    return Sample(size / 1e6 / seconds, memory.peak_mb), answer


RAW = Goal(0.9, at_least=True)
FORM = Goal(0.8, at_least=True)
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("upload-raw", "MB/s", RAW, ROUNDS): partial(upload, send=send_raw),
    Row("upload-multipart", "MB/s", FORM, ROUNDS): partial(upload, send=send_form),
    Row("download", "MB/s", Goal(0.8, at_least=True), ROUNDS): download,
}
