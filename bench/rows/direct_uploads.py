"""Measures uploads of the client straight to S3, against boto3 alone with parts of the same size, as many at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread

from boto3.s3.transfer import TransferConfig
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.pair import NO_QUOTA
from bench.inputs.clips import compressed
from functions.upload.direct.beginning import PART_BYTES
from soundlift.client import Client
from soundlift.client.direct_transfer import PARALLEL
from soundlift.common.media import new_media_id
from soundlift.common.media.s3 import read_address
from soundlift.common.media.s3.server import get_client

MEGABYTES = 200


def upload(row: Row) -> Result:
    """Compare an upload, from its reservation to its queued job, with boto3's upload of the same file."""
    video = compressed(MEGABYTES)
    size = video.stat().st_size
    with (
        servers.s3() as url,
        temporary_deployment(**NO_QUOTA, MEDIA_URL=url) as deployment,
        _function(deployment) as address,
        Client(address, token=deployment.services.tokens.sign_in(OWNER, admin=False)) as client,
    ):

        def ours() -> Sample:
            began = time.perf_counter()
            job = client.upload(video)
            seconds = time.perf_counter() - began
            deployment.delete_files(job.id)
            return Sample(size / 1e6 / seconds)

        return compare(row, ours, lambda: Sample(size / 1e6 / _by_boto3(url, video)))


def _by_boto3(url: str, video: Path) -> float:
    """Upload a file with boto3, and return the seconds that it took."""
    address = read_address(url)
    client = get_client(address)
    parts = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=PARALLEL)
    key = f"bench/{new_media_id()}"
    began = time.perf_counter()
    client.upload_file(str(video), address.bucket, key, Config=parts)
    seconds = time.perf_counter() - began
    client.delete_object(Bucket=address.bucket, Key=key)
    return seconds


@contextmanager
def _function(deployment: Deployment) -> Iterator[str]:
    """Serve upload below its name, as a gateway does, and yield the address; the bytes of videos do not pass it."""
    app = import_module("functions.upload.handler").app
    app.services = deployment.services
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    mounted = DispatcherMiddleware(Response(status=404), {"/upload": app})
    server = make_server("127.0.0.1", 0, mounted, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ROWS: dict[Row, Callable[[Row], Result]] = {Row("upload-direct-s3", "MB/s", Goal(0.8, at_least=True)): upload}
