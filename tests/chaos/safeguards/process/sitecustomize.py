"""Switches one safeguard of Soundlift off in real processes, and holds them at points, for a test of the chaos suite.

Python imports a module of this name when it starts, if this folder is on PYTHONPATH. It does nothing unless SAFEGUARDS
names a folder, whose files control it while the process runs:

`hold POINT`      the first call that reaches the point renames the file to `held POINT`, and waits until it is removed
`hold all POINT`  every call that reaches the point waits while the file is there
`disk error`      reads of a stored file beyond its first DISK_ERROR_BYTES fail, and create the file `disk failed`
`synced`          the journal of what the folder store has made durable, see power_cut.py
`deleted`         the files that it has removed

SAFEGUARDS_OFF names the safeguard that is off, if any. A claim has CLAIM_SECONDS, and its heartbeat beats several times
in it, so that a scenario takes seconds.
"""

from __future__ import annotations

import functools
import json
import os
import stat
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("SAFEGUARDS", ""))
OFF = os.environ.get("SAFEGUARDS_OFF", "")
GATEWAY = "soundlift.local.gateway_process"
CLAIM_SECONDS, TICK_SECONDS = 2, 0.2  # whole seconds, since it is also a Retry-After
DISK_ERROR_BYTES = 30_000
POLL_SECONDS = 0.02


def hold(point: str) -> None:
    """Wait at a point while the folder says so."""
    while (FOLDER / f"hold all {point}").exists():
        time.sleep(POLL_SECONDS)
    held = FOLDER / f"held {point}"
    try:
        (FOLDER / f"hold {point}").rename(held)
    except FileNotFoundError:
        return
    while held.exists():
        time.sleep(POLL_SECONDS)


def hold_around(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Make a function wait at a point before it begins, or before it returns."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def holding(*arguments: Any, **named: Any) -> Any:
        if before:
            hold(before)
        result = function(*arguments, **named)
        if after:
            hold(after)
        return result

    setattr(owner, name, holding)


def replace(owner: object, name: str, value: object) -> None:
    """Replace an attribute that its type does not let be replaced."""
    assert hasattr(owner, name), f"{owner} has no {name}; change this safeguard's switch."
    setattr(owner, name, value)


def replace_everywhere(package: str, name: str, value: object) -> None:
    """Replace a name in a module, or in each loaded module of a package that has it."""
    import_module(package)
    found = [module for path, module in sys.modules.items() if path.startswith(package) and hasattr(module, name)]
    assert found, f"No module of {package} has the name {name}; change this safeguard's switch."
    for module in found:
        setattr(module, name, value)


def fail_reads() -> None:
    """Serve stored files to FFmpeg over HTTP, as those of a server, and let their reads fail on demand."""
    import functions.convert.conversion
    from soundlift.common.errors import StoreUnavailable
    from soundlift.common.media.folder import StoredFile

    replace(functions.convert.conversion, "LocalFiles", type("NoStoreHasLocalFiles", (), {}))
    read = StoredFile.read

    def failing(file: Any, size: int | None = -1) -> bytes:
        if (FOLDER / "disk error").exists() and file.name.parent.name == "videos":
            left = DISK_ERROR_BYTES - file.tell()
            if left <= 0:
                (FOLDER / "disk failed").touch()
                raise StoreUnavailable("The media store cannot be used.", cause="a disk error of the test")
            size = left if size is None or size < 0 else min(size, left)
        return read(file, size)

    replace(StoredFile, "read", failing)


def record_syncs() -> None:
    """Record which files and folders are flushed to the disk, with the names that a folder then has."""
    fsync = os.fsync

    def recording(file: Any) -> None:
        fsync(file)
        descriptor = file if isinstance(file, int) else file.fileno()
        path, status = Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor)
        entry: dict[str, Any] = {"inode": status.st_ino}
        if stat.S_ISDIR(status.st_mode):
            entry = {"folder": str(path), "names": [one.name for one in path.iterdir()]}
        with (FOLDER / "synced").open("a") as journal:
            journal.write(json.dumps(entry) + "\n")

    replace(os, "fsync", recording)


def keep_deleted() -> None:
    """Keep each file that the folder store removes, because a power cut may bring it back."""
    unlink = os.unlink
    (FOLDER / "deleted").mkdir(exist_ok=True)

    def keeping(path: Any, **named: Any) -> None:
        if Path(path).parent.name in ("videos", "mp3s"):
            with suppress(FileExistsError, FileNotFoundError):
                os.link(path, FOLDER / "deleted" / Path(path).name)
        unlink(path, **named)

    replace(os, "unlink", keeping)


def switch_off(safeguard: str) -> None:
    """Switch one safeguard off."""
    from soundlift.common.db.tables import jobs

    match safeguard:
        case "claim":  # any worker may take a job that another one is converting
            waiting = jobs.c.state.in_(("queued", "converting"))
            replace_everywhere("soundlift.common.jobs", "is_unclaimed", lambda: waiting)
        case "compare-and-set":  # a step does not ask whose claim it is
            replace_everywhere("soundlift.common.jobs", "holds_claim", lambda claim: jobs.c.state == "converting")
        case "heartbeat":
            from soundlift.common.jobs.heartbeat import ClaimHeartbeat

            replace(ClaimHeartbeat, "_renew", lambda heartbeat: None)
        case "resend":
            replace_everywhere("functions.cleanup.handler", "_send_due", lambda services: 0)
        case "notification claim":
            import sqlalchemy as sa

            replace_everywhere("soundlift.common.notifications.store", "_is_unclaimed", lambda moment: sa.true())
        case "store-error record":
            from functions.convert.encode.range_server import Source

            replace(Source, "record_error", lambda source, error: None)
        case "fsync":
            replace(os, "fsync", lambda file: None)
        case _:
            raise ValueError(safeguard)


def prepare() -> None:
    """Change this process as the environment and the folder say."""
    import functions.cleanup.handler
    import functions.convert.handler
    import functions.notify.handler
    import functions.upload.handler
    from soundlift.common.jobs.store import Jobs
    from soundlift.common.mail import Mail

    record_syncs()
    keep_deleted()
    if (FOLDER / "disk error").exists():
        fail_reads()
    if OFF:
        switch_off(OFF)
    for package in ("soundlift.common.jobs", "functions.convert.handler"):
        replace_everywhere(package, "CLAIM_SECONDS", CLAIM_SECONDS)
    replace_everywhere("soundlift.common.jobs.heartbeat", "TICK_SECONDS", TICK_SECONDS)
    hold_around(Jobs, "claim", before="convert was called")
    hold_around(functions.convert.handler, "convert_video", after="convert made the file")
    hold_around(functions.convert.handler, "store_audio", after="convert stored the file")
    hold_around(Jobs, "mark_ready", before="convert ends the job")
    hold_around(Mail, "send", after="notify sent the mail")


if FOLDER.name and GATEWAY in sys.orig_argv:  # which runs all functions
    try:
        prepare()
    except BaseException:  # Python would go on without it
        traceback.print_exc()
        os._exit(70)
