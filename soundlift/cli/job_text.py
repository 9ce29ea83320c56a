"""Jobs as text for a terminal, and as JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.cells import cell_len, chop_cells

from soundlift.cli.readable import length_text
from soundlift.cli.sound_text import short_sound_text, sound_text
from soundlift.client import Job, Notification
from soundlift.common.printable import escaped
from soundlift.common.sizes import size_text
from soundlift.local.terminal import wrap

INDENT = "  "
LABEL_WIDTH = 10
STATE_WIDTH = len("converting 99%")


def job_document(job: Job) -> dict[str, Any]:
    """Return a job as a JSON object, with times in ISO 8601."""
    return {name: _json_value(value) for name, value in asdict(job).items()}


def list_lines(jobs: Sequence[Job]) -> list[str]:
    """Return a line for each job, or several if a terminal is too narrow for one."""
    rows = [f"{_shown(job.id)}{INDENT}{_state(job):<{STATE_WIDTH}}{INDENT}{_time(job.created_at)}" for job in jobs]
    sounds = [_shown(short_sound_text(job)) for job in jobs]
    sound_width = max(map(len, sounds), default=0)
    names = [
        f"{f'{sound:<{sound_width}}{INDENT}' if sound_width else ''}{_shown(job.file_name)}"
        for sound, job in zip(sounds, jobs, strict=True)
    ]
    lines = [f"{row}{INDENT}{name}" for row, name in zip(rows, names, strict=True)]
    width = shutil.get_terminal_size().columns
    if not sys.stdout.isatty() or all(cell_len(line) <= width for line in lines):
        return lines
    return [line for row, name in zip(rows, names, strict=True) for line in (row, *_folded(name, width))]


def detail_lines(job: Job) -> list[str]:
    """Return everything about a job that a person may want to know."""
    rows = (
        ("Job", job.id),
        ("File", f"{job.file_name}{_size(job.video_bytes)}"),
        ("User", job.username),
        ("State", _state(job)),
        ("Error", job.error),
        ("Result", f"{length_text(job.length)}{_size(job.mp3_bytes)}" if job.length is not None else None),
        ("Format", _format(job)),
        ("Missing", f"{job.missing_seconds:.1f} s could not be read" if job.missing_seconds else None),
        ("Options", ", ".join(f"{name}={value}" for name, value in job.options.items() if value is not None)),
        ("Created", _time(job.created_at)),
        ("Ended", _time(job.ended_at)),
        ("Expires", _time(job.expires_at)),
        *((one.channel.capitalize(), _delivery(one)) for one in job.notifications),
    )
    indent = " " * (LABEL_WIDTH + 1)
    return [_row(label, value, indent) for label, value in rows if value]


def _row(label: str, value: str, indent: str) -> str:
    return wrap(_shown(value), sys.stdout, prefix=f"{_shown(label):<{LABEL_WIDTH}} ", indent=indent)


def _state(job: Job) -> str:
    return f"{job.state} {job.percent}%" if job.state in ("importing", "converting") else _shown(job.state)


def _format(job: Job) -> str | None:
    """Return the format of a job with what its audio file contains, or with what it will be."""
    sound = sound_text(job)
    return f"{job.format}{f': {sound}' if sound else ''}" if job.format else None


def _size(number: int | None) -> str:
    return f", {size_text(number)}" if number is not None else ""


def _delivery(notification: Notification) -> str:
    if notification.error:
        return f"not delivered: {notification.error}"
    return f"sent {_time(notification.delivered_at)}" if notification.delivered_at else "not yet sent"


def _time(time: datetime | None) -> str:
    """Return a time in this machine's time zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else ""


def _folded(text: str, width: int) -> Iterable[str]:
    return (INDENT + part for part in chop_cells(text, max(1, width - len(INDENT))))


def _shown(text: str) -> str:
    return escaped(text)


def _json_value(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case list():
            return [{name: _json_value(part) for name, part in one.items()} for one in value]
        case _:
            return value
