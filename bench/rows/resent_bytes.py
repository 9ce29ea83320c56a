"""Measures how much of a file is sent again after a connection was lost during a resumable upload."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.harness.deployment import OWNER, temporary_deployment
from bench.harness.pair import NO_QUOTA
from bench.harness.processes import served
from bench.inputs.clips import compressed
from devservers.disturbances import Disturb, cut, disturbed, reset, stall
from devservers.forwarder import Forwarder
from devservers.ports import free_port
from soundlift.client import Client
from soundlift.client.resumable_upload import PART_BYTES

MEGABYTES = 200
AFTER = [megabytes * 10**6 for megabytes in (20, 55, 90, 125, 160)]  # bytes sent, including those sent again


def resent(row: Row, disturb: Disturb) -> Result:
    """Measure the bytes that the client sends beyond the file's size, for each connection that is lost.

    They are counted at the proxy, which loses the connections, and include the heads of the requests.
    """
    video, port = compressed(MEGABYTES), free_port()
    with (
        Forwarder(port) as line,
        temporary_deployment(**NO_QUOTA, PUBLIC_URL=f"http://127.0.0.1:{line.port}") as deployment,
        served("bench.harness.upload_function:app", deployment.environment, port=port),
    ):
        token = deployment.services.tokens.sign_in(OWNER, admin=False)
        before = line.received_bytes
        with (
            Client(f"http://127.0.0.1:{line.port}", token=token, keep_records=False) as client,
            disturbed(line, disturb, AFTER),
        ):
            client.upload(video)
        more = line.received_bytes - before - video.stat().st_size
    return Result(row, Sample(more / len(AFTER) / 1e6))


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"resent-after-{disturb.__name__}", "MB", Goal(PART_BYTES / 1e6, of="ours")): partial(resent, disturb=disturb)
    for disturb in (cut, reset, stall)
}
