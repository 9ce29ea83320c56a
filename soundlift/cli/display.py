"""What the user sees of running conversions: bars on a terminal, else nothing but messages."""

from __future__ import annotations

import sys
from threading import RLock
from typing import Any, Protocol, Self

import click
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from soundlift.common.printable import escaped
from soundlift.local.terminal import wrap

PERCENT = 100
STAGES = ("waiting", "uploading", "importing", "queued", "converting", "downloading")
STAGE_WIDTH = max(map(len, STAGES))
OTHER_WIDTH = STAGE_WIDTH + len("100%") + len("-:--:--") + 4  # with the spaces between the columns
WIDEST_NAME = 40
NARROWEST_BAR = 5


class Display(Protocol):
    """The progress of several files, updated by several threads."""

    def begin(self, name: str) -> int:
        """Show a file, and return its number."""

    def update(self, number: int, stage: str, percent: float | None) -> None:
        """Show how far a stage of a file is; None if that is unknown."""

    def end(self, number: int) -> None:
        """Show that a file has ended."""

    def print(self, line: str, *, err: bool) -> None:
        """Print a line of standard output, or of standard error, without damaging what is shown."""

    def __enter__(self) -> Self:
        """Begin to show progress."""

    def __exit__(self, *_: object) -> None:
        """Stop showing progress."""


class NoBars:
    """A display that shows no progress."""

    def begin(self, name: str) -> int:
        """Return any number."""
        return 0

    def update(self, number: int, stage: str, percent: float | None) -> None:
        """Show nothing."""
        return

    def end(self, number: int) -> None:
        """Show nothing."""
        return

    def print(self, line: str, *, err: bool) -> None:
        """Print a line."""
        click.echo(wrap(line, sys.stderr) if err else line, err=err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Bars:
    """One bar for each file in progress, and one for all if there are several, on a terminal at standard error."""

    def __init__(self, files: int) -> None:
        self._console = Console(stderr=True)
        self._name_width = min(WIDEST_NAME, max(NARROWEST_BAR, self._console.width // 3))
        bar_width = max(NARROWEST_BAR, self._console.width - self._name_width - OTHER_WIDTH - 1)
        self._progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            TextColumn("{task.fields[stage]}", markup=False),
            BarColumn(bar_width=min(WIDEST_NAME, bar_width)),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._files = files
        self._names: dict[int, str] = {}
        self._stages: dict[int, str] = {}
        self._ended = 0
        self._lock = RLock()
        self._all: TaskID | None = None

    def begin(self, name: str) -> int:
        """Add the bar of a file."""
        shown = self._fitting(escaped(name))
        number = self._progress.add_task("", total=PERCENT, name=shown, stage=STAGES[0].ljust(STAGE_WIDTH))
        self._names[number] = shown
        return number

    def update(self, number: int, stage: str, percent: float | None) -> None:
        """Move the bar of a file, or begin it anew for another stage."""
        if self._stages.get(number) != stage:
            self._stages[number] = stage
            fields: dict[str, Any] = {"name": self._names[number], "stage": stage.ljust(STAGE_WIDTH)}
            self._progress.reset(TaskID(number), total=PERCENT, **fields)  # begins the estimate of the time anew
        self._progress.update(TaskID(number), completed=percent or 0, total=None if percent is None else PERCENT)

    def end(self, number: int) -> None:
        """Remove the bar of a file, unless it is the only one."""
        with self._lock:
            self._ended += 1
            if self._all is not None:  # rich leaves an empty line behind if it has no bar at the end
                self._progress.remove_task(TaskID(number))
            self._show_all()

    def print(self, line: str, *, err: bool) -> None:
        """Print a line above the bars."""
        if err or sys.stdout.isatty():
            text = wrap(line, sys.stderr) if err else line
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line)

    def __enter__(self) -> Self:
        self._progress.start()
        if self._files > 1:
            self._all = self._progress.add_task("", total=self._files, name=self._fitting("all files"), stage="")
            self._show_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _show_all(self) -> None:
        if self._all is not None:
            stage = f"{self._ended} of {self._files}".ljust(STAGE_WIDTH)
            self._progress.update(self._all, completed=self._ended, stage=stage)

    def _fitting(self, name: str) -> str:
        """Return a name of the width of its column, shortened in the middle if it is longer."""
        if cell_len(name) > self._name_width:
            half = (self._name_width - 1) // 2
            begin, end = chop_cells(name, half)[0], chop_cells(name[::-1], half)[0][::-1]
            name = f"{begin}…{end}"
        return name + " " * (self._name_width - cell_len(name))


def create_display(files: int, *, bars: bool) -> Display:
    """Return bars if standard error is a terminal that can show them and they are wanted."""
    console = Console(stderr=True)
    return Bars(files) if bars and console.is_terminal and not console.is_dumb_terminal else NoBars()
