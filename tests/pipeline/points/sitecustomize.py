"""Blocks one job at each point of the pipeline, if this folder is on PYTHONPATH and POINTS_FOLDER is set.

Python imports a module of this name when it starts. The first job to reach a point creates a file with the point's
name in the folder, and blocks until there is a file `go`. With as many jobs as points, a job is blocked at each point
simultaneously, across all processes. A job whose event is published while it is blocked may also be blocked at a second
point; other jobs then run to completion.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("POINTS_FOLDER", ""))
POLL_SECONDS = 0.02


def block(point: str) -> None:
    """Block at a point until there is a file `go`, unless another job has already reached the point."""
    go = FOLDER / "go"
    if go.exists():
        return
    try:
        (FOLDER / point).touch(exist_ok=False)
    except FileExistsError:
        return
    while not go.exists():
        time.sleep(POLL_SECONDS)


def block_around(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Make a function block before it begins or before it returns; `{queue}` is its delivery's queue."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def blocking(*arguments: Any, **named: Any) -> Any:
        queue = next((one.queue for one in arguments if hasattr(one, "queue") and hasattr(one, "tag")), "")
        if before:
            block(before.format(queue=queue))
        result = function(*arguments, **named)
        if after:
            block(after.format(queue=queue))
        return result

    setattr(owner, name, blocking)


if FOLDER.name:
    import functions.convert.handler
    import functions.upload.handler
    import functions.webhook.handler
    from soundlift.common.jobs.store import Jobs
    from soundlift.common.mail import Mail
    from soundlift.common.notifications.store import Notifications
    from soundlift.common.webhooks.deliveries import Deliveries
    from soundlift.connector.delivery_handler import DeliveryHandler

    block_around(Jobs, "receive", after="upload wrote its row")
    block_around(Jobs, "queue", before="upload stored the video", after="upload queued the job")
    block_around(functions.upload.handler, "publish_queued", after="upload published the event")
    block_around(Jobs, "claim", before="convert was called", after="convert claimed the job")
    block_around(functions.convert.handler, "convert_video", after="convert made the MP3")
    block_around(functions.convert.handler, "store_audio", after="convert stored the MP3")
    block_around(Jobs, "mark_ready", after="convert ended the job")
    block_around(DeliveryHandler, "_publish", before="connector had the reply", after="connector published the reply")
    block_around(DeliveryHandler, "_settle", before="connector decided on {queue}")
    block_around(
        DeliveryHandler, "handle", before="connector received from {queue}", after="connector settled on {queue}"
    )
    block_around(Notifications, "claim", before="notify was called", after="notify claimed the mail")
    block_around(Mail, "send", after="notify sent the mail")
    block_around(Notifications, "mark_delivered", after="notify marked the mail as delivered")
    block_around(Deliveries, "claim_of_job", after="webhook claimed the message")
    block_around(functions.webhook.handler, "send", after="webhook sent the message")
    block_around(Deliveries, "mark_delivered", after="webhook marked the message as delivered")
