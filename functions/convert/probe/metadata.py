"""The tags and chapters of a file, read from FFmpeg's metadata format, version 1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .bounded_numbers import read_integer

FILE_NAME = "metadata.txt"
MAX_CHARACTERS = 2**20
# Possessive quantifiers prevent backtracking.
LINE = re.compile(r"(?:\\.|[^\\\n]++)*+", re.DOTALL)
PAIR = re.compile(r"((?:\\.|[^\\=]++)*+)=(.*)", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
MAX_INT32 = 2**31 - 1  # the limit of a time base in FFmpeg


@dataclass(frozen=True)
class Chapter:
    """A chapter, in seconds on the file's timeline."""

    start: float
    end: float
    title: str

    def shifted_by(self, seconds: float) -> Chapter:
        """Return the chapter shifted by a number of seconds."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True)
class Metadata:
    """The chapters and tags of a file, including those of the selected track; tag names are in lower case."""

    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()

    def shifted_by(self, seconds: float) -> Metadata:
        """Return the metadata with all chapters shifted by a number of seconds."""
        return replace(self, chapters=tuple(chapter.shifted_by(seconds) for chapter in self.chapters))


NO_METADATA = Metadata()


def metadata_args(folder: Path, track: int | None = None) -> list[str]:
    """Return the arguments that write the metadata of a file, and of one track, to a folder."""
    selection = [] if track is None else ["-map", f"0:{track}", "-c", "copy", "-frames:a", "0"]
    return [*selection, "-f", "ffmetadata", "-y", str(folder / FILE_NAME)]


def read_metadata(folder: Path) -> Metadata:
    """Return the metadata that FFmpeg wrote to a folder; empty if FFmpeg ended before it wrote any."""
    path = folder / FILE_NAME
    if not path.exists():
        return NO_METADATA
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        text = file.read(MAX_CHARACTERS)
    tags: dict[str, str] = {}
    chapters: list[Chapter] = []
    for name, pairs in _sections(text):
        if name == "[CHAPTER]":
            chapters.extend(_chapters(pairs))
        else:
            for tag, value in _lowercase_names(pairs).items():
                tags.setdefault(tag, value)  # the file's tags come first and take precedence
    return Metadata(tags, tuple(chapters))


def _sections(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name of each section, empty for the first one, and its pairs."""
    name, pairs = "", dict[str, str]()
    for line in (match[0] for match in LINE.finditer(text) if match[0]):
        if line in ("[STREAM]", "[CHAPTER]"):
            yield name, pairs
            name, pairs = line, {}
        elif not line.startswith((";", "#")) and (pair := PAIR.fullmatch(line)):
            # FFmpeg writes a chapter's times before its tags, which may have the same names.
            pairs.setdefault(ESCAPED.sub(r"\1", pair[1]), ESCAPED.sub(r"\1", pair[2]))
    yield name, pairs


def _lowercase_names(pairs: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in pairs.items()}


def _chapters(pairs: Mapping[str, str]) -> Iterator[Chapter]:
    """Yield the chapter of a section, unless one of its times is missing or out of range."""
    numerator, _, denominator = pairs.get("TIMEBASE", "").partition("/")
    base = (
        read_integer(numerator, minimum=1, maximum=MAX_INT32),
        read_integer(denominator, minimum=1, maximum=MAX_INT32),
    )
    start, end = read_integer(pairs.get("START", "")), read_integer(pairs.get("END", ""))
    if base[0] is None or base[1] is None or start is None or end is None:
        return
    yield Chapter(start * base[0] / base[1], end * base[0] / base[1], _lowercase_names(pairs).get("title", ""))
