"""The files that `soundlift convert` is given: by name, by pattern, by folder, or on standard input."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from soundlift.cli.folders import Folder, search
from soundlift.common.printable import escaped

STANDARD = "-"
WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class Input:
    """A file to convert, or standard input for None; `place` is its path relative to the folder that was given."""

    path: Path | None
    place: Path

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return "standard input" if self.path is None else escaped(str(self.path))


@dataclass(frozen=True)
class Inputs:
    """The files that arguments stand for, and a sentence about each folder of which something is left out."""

    files: Sequence[Input]
    notes: Sequence[str] = ()


def find_inputs(arguments: Sequence[str], *, recursive: bool) -> Inputs:
    """Return the files that the arguments stand for; raises UsageError if one stands for none."""
    found: dict[tuple[int, int] | None, Input] = {}
    notes: list[str] = []
    for argument in arguments:
        inputs = _inputs(argument, recursive=recursive)
        for one in inputs.files:
            found.setdefault(_identity(one), one)
        notes += inputs.notes
    return Inputs(list(found.values()), notes)


def _inputs(argument: str, *, recursive: bool) -> Inputs:
    if argument == STANDARD:
        return Inputs([Input(None, Path("standard-input"))])
    path = Path(argument)
    if path.is_dir():
        return _in_folder(path, recursive=recursive)
    if path.exists():  # also if the name has wildcards
        return Inputs([Input(path, Path(path.name))])
    if WILDCARDS.intersection(argument):
        return _matching(argument, recursive=recursive)
    raise click.UsageError(f"The file {escaped(argument)} does not exist.")


def _matching(pattern: str, *, recursive: bool) -> Inputs:
    """Return the files that match a pattern that the shell did not expand, and with --recursive those in folders."""
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - Path.glob has no absolute patterns
    files = [Input(path, Path(path.name)) for path in paths if path.is_file()]
    folders = [search(path, recursive=True) for path in paths if recursive and path.is_dir()]
    for folder in folders:
        files += _inputs_of(folder)
    if not files:
        raise click.UsageError(f"No file matches {escaped(pattern)}.")
    return Inputs(files, [note for folder in folders for note in _notes(folder)])


def _in_folder(path: Path, *, recursive: bool) -> Inputs:
    folder = search(path, recursive=recursive)
    if not folder.videos:
        rest = f", but {folder.left_out}" if folder.left_out else ""
        raise click.UsageError(f"There is no video in {escaped(str(path))}{rest}.")
    return Inputs(_inputs_of(folder), _notes(folder))


def _inputs_of(folder: Folder) -> list[Input]:
    return [Input(path, path.relative_to(folder.path)) for path in folder.videos]


def _notes(folder: Folder) -> list[str]:
    return [f"{escaped(str(folder.path))}: left out {folder.left_out}."] if folder.left_out else []


def _identity(one: Input) -> tuple[int, int] | None:
    if one.path is None:
        return None
    status = one.path.stat()
    return status.st_dev, status.st_ino
