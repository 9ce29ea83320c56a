"""The files that a command writes, all checked before it sends anything."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

from soundlift.cli.inputs import STANDARD, Input
from soundlift.client import BadArgument, Job
from soundlift.client.formats import ORIGINAL, RESULTS, check_format, format_for
from soundlift.client.output_file import check_output
from soundlift.common.printable import escaped

DEFAULT_FORMAT = "mp3"
FORMAT = re.compile(r"[a-z0-9]{1,8}")
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))

output_option = click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="File or folder to write; PATH/ is created if missing, - is standard output. [default: this folder]",
)


@dataclass(frozen=True)
class Item:
    """A file and its output, or standard output for None; `skipped` if the output exists and is kept.

    The output of an original track that is named after its file has no suffix while the format of the track is not
    known: its suffix `follows`.
    """

    source: Input
    target: Path | None
    skipped: bool = False
    suffix_follows: bool = False

    def settled(self, job: Job) -> Item:
        """Return this item with the output of a job that is ready, whose format is known.

        Raises OtherFormat if the output is named after another format, and FileExistsError if it is the source.
        """
        if self.target is None:
            return self
        if not self.suffix_follows:
            check_format(self.target, job)
            return self
        suffix = job.format if job.format and FORMAT.fullmatch(job.format) else DEFAULT_FORMAT
        target = self.target.with_name(f"{self.target.name}.{suffix}")
        if _is_source(self.source, target):
            raise FileExistsError(errno.EEXIST, "The output would be the input itself", str(target))
        return replace(self, target=target, suffix_follows=False)


@dataclass(frozen=True, kw_only=True)
class Overwriting:
    """What happens if an output exists: by default, it is an error."""

    force: bool
    skip: bool

    def __post_init__(self) -> None:
        if self.force and self.skip:
            raise click.UsageError("Use either --force or --skip-existing, not both.")


def requested_format(output: str | None, file_format: str | None) -> str | None:
    """Return the format to request: that of --format, or else that of an output file's suffix.

    Raises UsageError if they contradict each other.
    """
    if output is None or output == STANDARD or is_folder(output):
        return file_format
    try:
        return format_for(Path(output), file_format)
    except BadArgument as error:
        raise click.UsageError(escaped(error.detail)) from None


def plan(sources: Sequence[Input], output: str | None, file_format: str | None, rule: Overwriting) -> list[Item]:
    """Return each source with its output; raises UsageError, or OSError if an output cannot be written."""
    items = _items(sources, output, file_format or DEFAULT_FORMAT)
    _require_different(items)
    return [_checked(item, rule, len(item.source.place.parent.parts) + new_folders(output)) for item in items]


def is_folder(output: str) -> bool:
    """Return whether an output is a folder, or is to be one according to a separator at its end."""
    return output.endswith(SEPARATORS) or Path(output).is_dir()


def new_folders(output: str | None) -> int:
    """Return how many folders of an output may be created: all of them if it ends with a separator."""
    return len(Path(output).parts) if output and output.endswith(SEPARATORS) else 0


def _items(sources: Sequence[Input], output: str | None, file_format: str) -> list[Item]:
    if output is None and any(source.path is None and source.url is None for source in sources):
        raise click.UsageError("Name the output of standard input with -o, or write to standard output with -o -.")
    if output is None or is_folder(output):
        return [_named_item(source, Path(output or ""), file_format) for source in sources]
    if len(sources) > 1:
        raise click.UsageError(
            f"{escaped(output)} is not a folder; several files need one as their output.{_creation(output)}"
        )
    return [Item(sources[0], None if output == STANDARD else Path(output))]


def _creation(output: str) -> str:
    """Return how to have a folder created, if nothing is in its place."""
    return "" if output == STANDARD or Path(output).exists() else f" Create it with -o {escaped(output)}{os.sep}."


def _named_item(source: Input, folder: Path, file_format: str) -> Item:
    """Return a source with an output that is named after it, in a folder."""
    if file_format == ORIGINAL:
        return Item(source, folder / source.place.with_suffix(""), suffix_follows=True)
    suffix = f".{file_format if FORMAT.fullmatch(file_format) else DEFAULT_FORMAT}"
    return Item(source, folder / source.place.with_suffix(suffix))


def _require_different(items: Sequence[Item]) -> None:
    """Raise UsageError if two sources have the same output, even on a file system that ignores case."""
    taken: dict[str, Item] = {}
    for item in items:
        other = taken.setdefault(str(item.target).casefold(), item)
        if other is not item:
            output = item.target and _shown(item.target)
            raise click.UsageError(
                f"{other.source.shown} and {item.source.shown} have the same output {output}. "
                "Convert them separately, with different outputs (-o)."
            )


def _checked(item: Item, rule: Overwriting, created: int) -> Item:
    if item.target is None:
        return item
    if item.suffix_follows:
        return checked_stem(item, item.target, rule, created)
    if _is_source(item.source, item.target):
        raise click.UsageError(f"{_shown(item.target)} is the input itself. Name another output with -o.")
    is_written = check_target(item.target, rule, created)
    return replace(item, skipped=not is_written)


def checked_stem(item: Item, stem: Path, rule: Overwriting, created: int) -> Item:
    """Check the folder of an output whose suffix follows; it is skipped if there is one with any suffix of audio."""
    if rule.skip:
        for target in (stem.with_name(f"{stem.name}.{suffix}") for suffix in RESULTS):
            if target.is_file() and not _is_source(item.source, target):
                return replace(item, target=target, skipped=True, suffix_follows=False)
    _check_folder(stem.with_name(f"{stem.name}.{ORIGINAL}"), created, force=rule.force)
    return item


def _is_source(source: Input, target: Path) -> bool:
    try:
        return source.path is not None and target.samefile(source.path)
    except (OSError, ValueError):  # one of them does not exist, or cannot
        return False


def check_target(target: Path, rule: Overwriting, created: int = 0) -> bool:
    """Return whether an output is to be written; raises UsageError if it exists, and OSError if it cannot be created.

    The last `created` of its folders need not exist.
    """
    if target.is_file() and rule.skip:
        return False
    if target.is_file() and not target.is_symlink() and not rule.force:
        raise click.UsageError(
            f"{_shown(target)} already exists. Overwrite it with --force, keep it with --skip-existing, "
            "or name another output with -o."
        )
    _check_folder(target, created, force=rule.force)
    return True


def _check_folder(target: Path, created: int, *, force: bool) -> None:
    """Raise OSError if an output cannot be created; the last `created` of its folders need not exist."""
    missing = [folder for folder in target.parents[:created] if not folder.exists()]
    if missing:
        check_output(missing[-1], replace=False)
        with suppress(FileNotFoundError):
            (missing[-1].parent / target.name).lstat()  # raises OSError for a name that is too long
    else:
        check_output(target, replace=force)


def _shown(path: Path) -> str:
    return escaped(str(path))
