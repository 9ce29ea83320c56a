"""The files that `soundlift convert` is given: by name, pattern, folder or URL, or on standard input."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from soundlift.cli.folders import Folder, search
from soundlift.cli.safe_names import safe_name
from soundlift.common.file_names import name_in_path
from soundlift.common.printable import escaped

STANDARD = "-"
URL = re.compile("https?://", re.IGNORECASE)
WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class Input:
    """A file to convert; `place` is its path relative to the folder that was given.

    Without a `path`, it is the one at `url`, or standard input.
    """

    path: Path | None
    place: Path
    url: str | None = None

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        if self.path is None:
            return escaped(self.url.partition("?")[0]) if self.url else "standard input"
        return escaped(str(self.path))


@dataclass(frozen=True)
class Inputs:
    """The files that arguments stand for, and a sentence about each folder of which something is left out."""

    files: Sequence[Input]
    notes: Sequence[str] = ()


def find_inputs(arguments: Sequence[str], *, recursive: bool) -> Inputs:
    """Return the files that the arguments stand for; raises UsageError if one stands for none."""
    found: dict[tuple[int, int] | str | None, Input] = {}
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
    if URL.match(argument):
        return Inputs([Input(None, Path(safe_name(name_in_path(_path_of(argument)))), argument)])
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


def _path_of(url: str) -> str:
    """Return the path of a URL, which the server will check."""
    return url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")[2]


def _identity(one: Input) -> tuple[int, int] | str | None:
    if one.path is None:
        return one.url
    status = one.path.stat()
    return status.st_dev, status.st_ino
