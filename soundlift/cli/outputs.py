"""The files that a command writes, all checked before it sends anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from soundlift.cli.inputs import STANDARD, VIDEO_SUFFIXES, Input
from soundlift.client.output_file import check_output
from soundlift.common.printable import escaped

DEFAULT_FORMAT = "mp3"
FORMAT = re.compile(r"[a-z0-9]{1,8}")
AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("aac", "ac3", "aif", "aiff", "alac", "amr", "ape", "au", "flac", "m4a", "m4b", "mka", "mp2", "mp3", "oga"),
        *("ogg", "opus", "wav", "weba", "wma", "wv", "zip"),
    )
)


@dataclass(frozen=True)
class Item:
    """A file and its output, or standard output for None; `skipped` if the output exists and is kept."""

    source: Input
    target: Path | None
    skipped: bool = False


@dataclass(frozen=True, kw_only=True)
class Overwriting:
    """What happens if an output exists: by default, it is an error."""

    force: bool
    skip: bool

    def __post_init__(self) -> None:
        if self.force and self.skip:
            raise click.UsageError("Use either --force or --skip-existing, not both.")


def plan(sources: Sequence[Input], output: str | None, file_format: str | None, rule: Overwriting) -> list[Item]:
    """Return each source with its output; raises UsageError, or OSError if an output cannot be written."""
    suffix = f".{file_format if file_format and FORMAT.fullmatch(file_format) else DEFAULT_FORMAT}"
    targets = _targets(sources, output, suffix)
    _require_different(sources, targets)
    return [_checked(source, target, rule) for source, target in zip(sources, targets, strict=True)]


def _targets(sources: Sequence[Input], output: str | None, suffix: str) -> list[Path | None]:
    if output is None and any(source.path is None for source in sources):
        raise click.UsageError("Name the output of standard input with -o, or write to standard output with -o -.")
    if output is None or Path(output).is_dir():
        return [Path(output or "") / source.place.with_suffix(suffix) for source in sources]
    if len(sources) > 1:
        raise click.UsageError(f"{escaped(output)} is not a folder; several files need one as their output.")
    return [None if output == STANDARD else _require_suffix(Path(output), suffix)]


def _require_suffix(target: Path, suffix: str) -> Path:
    """Return a path whose suffix is the format's, or none of another format."""
    given = target.suffix.lower()
    if given != suffix and given in AUDIO_SUFFIXES | VIDEO_SUFFIXES:
        raise click.UsageError(f"{_shown(target)} has the suffix {given}, but the output is {suffix[1:].upper()}.")
    return target


def _require_different(sources: Sequence[Input], targets: Sequence[Path | None]) -> None:
    """Raise UsageError if two sources have the same output, even on a file system that ignores case."""
    taken: dict[str, Input] = {}
    for source, target in zip(sources, targets, strict=True):
        other = taken.setdefault(str(target).casefold(), source)
        if other is not source:
            raise click.UsageError(
                f"{other.shown} and {source.shown} have the same output {target and _shown(target)}. "
                "Convert them separately, with different outputs (-o)."
            )


def _checked(source: Input, target: Path | None, rule: Overwriting) -> Item:
    if target is None:
        return Item(source, None)
    if source.path and target.exists() and target.samefile(source.path):
        raise click.UsageError(f"{_shown(target)} is the input itself. Name another output with -o.")
    return Item(source, target, skipped=not check_target(target, rule, created_folders=source.place.parent))


def check_target(target: Path, rule: Overwriting, created_folders: Path = Path()) -> bool:
    """Return whether an output is to be written; raises UsageError if it exists, and OSError if it cannot be created.

    Its last folders, of which there are as many as in `created_folders`, need not exist.
    """
    if target.is_file() and rule.skip:
        return False
    if target.is_file() and not target.is_symlink() and not rule.force:
        raise click.UsageError(
            f"{_shown(target)} already exists. Overwrite it with --force, keep it with --skip-existing, "
            "or name another output with -o."
        )
    missing = [folder for folder in target.parents[: len(created_folders.parts)] if not folder.exists()]
    if missing:
        check_output(missing[-1], replace=False)
        with suppress(FileNotFoundError):
            (missing[-1].parent / target.name).lstat()  # raises OSError for a name that is too long
    else:
        check_output(target, replace=rule.force)
    return True


def _shown(path: Path) -> str:
    return escaped(str(path))
