"""The files that `soundlift convert` is given: by name, by folder, by pattern, or on standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from soundlift.common.printable import escaped

STANDARD = "-"
WILDCARDS = frozenset("*?[")
# What a folder is searched for. Files with other suffixes are converted if they are named.
VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("3g2", "3gp", "asf", "avi", "divx", "dv", "f4v", "flv", "m2t", "m2ts", "m2v", "m4v", "mjpeg", "mkv", "mov"),
        *(
            "mp4",
            "mpeg",
            "mpg",
            "mts",
            "mxf",
            "nut",
            "ogm",
            "ogv",
            "qt",
            "rm",
            "rmvb",
            "ts",
            "vob",
            "webm",
            "wmv",
            "wtv",
        ),
    )
)


@dataclass(frozen=True)
class Input:
    """A file to convert, or standard input for None; `place` is its path relative to the folder that was given."""

    path: Path | None
    place: Path

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return "standard input" if self.path is None else escaped(str(self.path))


def find_inputs(arguments: Sequence[str], *, recursive: bool) -> list[Input]:
    """Return the files that the arguments stand for, each once; raises UsageError if one stands for none."""
    found: dict[tuple[int, int] | None, Input] = {}
    for argument in arguments:
        for one in _inputs(argument, recursive=recursive):
            found.setdefault(_identity(one), one)
    return list(found.values())


def _inputs(argument: str, *, recursive: bool) -> Iterable[Input]:
    if argument == STANDARD:
        return [Input(None, Path("standard-input"))]
    path = Path(argument)
    if path.is_dir():
        return _in_folder(path, recursive=recursive)
    if path.exists():  # also if the name has wildcards
        return [Input(path, Path(path.name))]
    if WILDCARDS.intersection(argument):
        return _matching(argument, recursive=recursive)
    raise click.UsageError(f"The file {escaped(argument)} does not exist.")


def _matching(pattern: str, *, recursive: bool) -> list[Input]:
    """Return the files that match a pattern that the shell did not expand."""
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - Path.glob has no absolute patterns
    found = [Input(path, Path(path.name)) for path in paths if path.is_file()]
    if recursive:
        found += [one for path in paths if path.is_dir() for one in _in_folder(path, recursive=True)]
    if not found:
        raise click.UsageError(f"No file matches {escaped(pattern)}.")
    return found


def _in_folder(folder: Path, *, recursive: bool) -> list[Input]:
    if not recursive:
        raise click.UsageError(f"{escaped(str(folder))} is a folder; convert the videos in it with --recursive.")
    found = [Input(path, path.relative_to(folder)) for path in sorted(_videos(folder))]
    if not found:
        raise click.UsageError(f"There is no video in {escaped(str(folder))}.")
    return found


def _videos(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if path.suffix.lower() in VIDEO_SUFFIXES and not name.startswith(".") and path.is_file():
                yield path


def _identity(one: Input) -> tuple[int, int] | None:
    if one.path is None:
        return None
    status = one.path.stat()
    return status.st_dev, status.st_ino
