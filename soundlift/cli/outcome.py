"""The results of conversions: as lines, as JSON objects, and as an exit code."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.cells import cell_len, chop_cells

from soundlift.cli.error_text import error_text
from soundlift.cli.exit_codes import ExitCode, exit_code
from soundlift.cli.layout import about
from soundlift.cli.outputs import Item
from soundlift.cli.readable import length_text
from soundlift.cli.sound_text import short_sound_text, sound_text
from soundlift.client import ApiError, ClientError, Job, NotConverted
from soundlift.common.printable import escaped
from soundlift.common.sizes import size_text
from soundlift.local.program_name import program_name

STANDARD_OUTPUT = "standard output"
DESCRIPTION = ("format", "codec", "bitrate", "sample_rate", "channels", "copied")  # of an audio file

SKIPPED = ("", "", "exists, skipped")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one file: its job if there is one, and the error that ended it, if any."""

    item: Item
    job: Job | None = None
    error: ClientError | OSError | None = None

    @property
    def state(self) -> str:
        """The result in one word."""
        if self.error:
            return "failed"
        return "skipped" if self.item.skipped else "ready"

    @property
    def line(self) -> str:
        """The result in one line."""
        if self.error:
            return about(f"soundlift: {self.item.source.shown}", self.reason, sys.stderr)
        if self.item.skipped or self.job is None:
            return about(shown_target(self.item), "exists, skipped", sys.stdout)
        parts = [length_text(self.job.length or 0), size_text(self.job.mp3_bytes or 0), escaped(sound_text(self.job))]
        if not sys.stderr.isatty():  # a terminal has shown the job at its begin
            parts.append(f"job {self.job.id}")
        return about(shown_target(self.item), ", ".join(filter(None, parts)), sys.stdout)

    @property
    def row(self) -> str:
        """The result of a file that has not failed, as a row of a table; a name that does not fit stands above it."""
        job, cells = self.job, SKIPPED
        if job:
            cells = (length_text(job.length or 0), size_text(job.mp3_bytes or 0), escaped(short_sound_text(job)))
        row = f"{cells[0]:>8}  {cells[1]:>9}  {cells[2]:<16}"
        name, width = shown_target(self.item), shutil.get_terminal_size().columns
        line = f"{row}  {name}"
        return line if cell_len(line) <= width else "\n".join([*chop_cells(name, width), row.rstrip()])

    @property
    def reason(self) -> str:
        """The error as a sentence, and how to get an audio file that the server has nevertheless."""
        if self.error is None:
            return ""
        if self.job is None or not self.job.ready:
            return f"{error_text(self.error)}."
        return f"{error_text(self.error)}. Save it with `{program_name()} download {self.job.id} -o PATH`."

    @property
    def warning(self) -> str | None:
        """A sentence about sound that is missing in the output."""
        if self.error or not self.job or not self.job.missing_seconds:
            return None
        return f"{max(0.1, self.job.missing_seconds):.1f} s of the audio could not be read and are missing."

    @property
    def document(self) -> dict[str, Any]:
        """The result as a JSON object."""
        source, target = self.item.source.path, self.item.target
        return {
            "file": (self.item.source.url or "-") if source is None else str(source),
            "state": self.state,
            "job": self.job.id if self.job else None,
            "output": "-" if target is None else str(target),
            "bytes": self.job.mp3_bytes if self.job else None,
            "length": self.job.length if self.job else None,
            **{name: getattr(self.job, name, None) for name in DESCRIPTION},
            "cut": asdict(self.job.cut) if self.job and self.job.cut else None,
            "missing_seconds": self.job.missing_seconds if self.job else None,
            "error": _error_document(self.error) if self.error else None,
        }


def shown_target(item: Item) -> str:
    """Return an output as messages name it."""
    return STANDARD_OUTPUT if item.target is None else escaped(str(item.target))


def json_line(document: dict[str, Any]) -> str:
    """Return a JSON object in one line of ASCII, which no terminal and no encoding changes."""
    return json.dumps(document, separators=(", ", ": "))


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many files had which result."""
    counts = Counter(outcome.state for outcome in outcomes)
    words = (("ready", "converted"), ("skipped", "skipped"), ("failed", "failed"))
    parts = [f"{counts[state]} {word}" for state, word in words if counts[state]]
    return f"{len(outcomes)} files: {', '.join(parts)}."


def batch_exit_code(outcomes: Sequence[Outcome]) -> ExitCode:
    """Return the code of the cause that all errors have in common, or FAILED if there are several causes."""
    codes = {exit_code(outcome.error) for outcome in outcomes if outcome.error}
    if not codes:
        return ExitCode.OK
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


def _error_document(error: ClientError | OSError) -> dict[str, Any]:
    match error:
        case ApiError():
            code = error.code
        case NotConverted(job=job):
            code = job.error_code or job.state
        case ClientError():
            code = "connection_failed"
        case OSError():
            code = "file_error"
    return {"code": code, "detail": f"{error_text(error)}."}
