"""Holds one job at each point of its way, where this folder is on PYTHONPATH and POINTS_FOLDER is set.

Python imports a module of this name at its start. The first job that comes to a point stays there: a file in the
folder is named after the point, and the job goes on once there is a file `go`. So as many jobs as there are points
come to stand at all of them at once, in whatever processes they are. A job whose event is published while it stands
there may stand at a second point, too; others then go on to their end.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("POINTS_FOLDER", ""))
LOOK_AGAIN_SECONDS = 0.02


def hold(point: str) -> None:
    """Stay at a point until told to go, if nobody has stood there before."""
    go = FOLDER / "go"
    if go.exists():
        return
    try:
        (FOLDER / point).touch(exist_ok=False)
    except FileExistsError:
        return
    while not go.exists():
        time.sleep(LOOK_AGAIN_SECONDS)


def hold_around(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Have a function hold before it begins, or before it returns; `{queue}` is that of its delivery."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def holding(*arguments: Any, **named: Any) -> Any:
        queue = next((one.queue for one in arguments if hasattr(one, "queue") and hasattr(one, "tag")), "")
        if before:
            hold(before.format(queue=queue))
        result = function(*arguments, **named)
        if after:
            hold(after.format(queue=queue))
        return result

    setattr(owner, name, holding)


if FOLDER.name:
    import functions.convert.handler
    import functions.upload.handler
    from soundlift.common.jobs.store import Jobs
    from soundlift.common.mail import Mail
    from soundlift.common.notifications.store import Notifications
    from soundlift.connector.delivery_handler import DeliveryHandler

    hold_around(Jobs, "receive", after="upload wrote its row")
    hold_around(Jobs, "queue", before="upload stored the video", after="upload queued the job")
    hold_around(functions.upload.handler, "_publish", after="upload published the event")
    hold_around(Jobs, "claim", before="convert was called", after="convert claimed the job")
    hold_around(functions.convert.handler, "convert_video", after="convert made the MP3")
    hold_around(functions.convert.handler, "store_audio", after="convert stored the MP3")
    hold_around(Jobs, "ready", after="convert ended the job")
    hold_around(DeliveryHandler, "_publish", before="connector had the reply", after="connector published the reply")
    hold_around(DeliveryHandler, "_settle", before="connector decided on {queue}")
    hold_around(
        DeliveryHandler, "handle", before="connector received from {queue}", after="connector settled on {queue}"
    )
    hold_around(Notifications, "claim", before="notify was called", after="notify claimed the mail")
    hold_around(Mail, "send", after="notify sent the mail")
    hold_around(Notifications, "mark_delivered", after="notify marked the mail as delivered")
