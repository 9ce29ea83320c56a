"""Measures resumable uploads, which the client sends in parts, against its upload of the same file in one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.pair import NO_QUOTA
from bench.harness.processes import Gunicorn, Memory, served
from bench.inputs.clips import compressed
from soundlift.client import Client
from soundlift.client.resumable_upload import PART_BYTES

PARTS_ONLY = {"DIRECT_UPLOADS": "false"}  # else, a file for S3 would not pass the server


@dataclass(frozen=True)
class Kind:
    """A kind of store: its server, which yields a MEDIA_URL, and the size of the file to send, in 10^6 bytes."""

    server: Callable[[], AbstractContextManager[str]]
    megabytes: int


@contextmanager
def _folder() -> Iterator[str]:
    """Yield the address of the store in the deployment's own folder."""
    yield ""


def upload(row: Row, kind: Kind) -> Result:
    """Compare an upload in parts with one in a single request, both from the first request to the queued job."""
    video = compressed(kind.megabytes)
    with (
        kind.server() as url,
        temporary_deployment(**NO_QUOTA, **PARTS_ONLY, MEDIA_URL=url) as deployment,
        served("bench.harness.upload_function:app", deployment.environment) as server,
    ):
        whole = 2 * video.stat().st_size
        return compare(
            row,
            _upload_run(deployment, server, video, part_bytes=PART_BYTES),
            _upload_run(deployment, server, video, part_bytes=whole),
        )


def _upload_run(deployment: Deployment, server: Gunicorn, video: Path, *, part_bytes: int) -> Run:
    """Return a run that sends a file in parts of at most this size, or at once if it is not larger."""
    token, size = deployment.services.tokens.sign_in(OWNER, admin=False), video.stat().st_size

    def run() -> Sample:
        with Client(server.url, token=token, part_bytes=part_bytes, keep_records=False) as client:
            began = time.perf_counter()
            with Memory(server.pid) as memory:
                job = client.upload(video)
                seconds = time.perf_counter() - began
        deployment.delete_files(job.id)
        return Sample(size / 1e6 / seconds, memory.peak_mb)

    return run


KINDS = {
    "folder": Kind(_folder, 256),
    "gridfs": Kind(servers.mongodb, 100),  # FerretDB scans all of its chunks
    "s3": Kind(servers.s3, 256),
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"upload-resumable-{name}", "MB/s", Goal(0.8, at_least=True)): partial(upload, kind=kind)
    for name, kind in KINDS.items()
}
