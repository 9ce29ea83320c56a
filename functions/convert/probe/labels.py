"""Reads what a file, a track and its chapters are called, from FFmpeg's list (its metadata format, version 1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .bounded_numbers import read_integer

LIST = "labels.txt"
LONGEST_LIST = 2**20
# Possessive: nothing that matched once is tried again.
LINE = re.compile(r"(?:\\.|[^\\\n]++)*+", re.DOTALL)
PAIR = re.compile(r"((?:\\.|[^\\=]++)*+)=(.*)", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
LARGEST_INT32 = 2**31 - 1  # of a time base, as FFmpeg has it


@dataclass(frozen=True)
class Chapter:
    """Is one chapter, in seconds of the file's sound."""

    start: float
    end: float
    title: str


@dataclass(frozen=True)
class Labels:
    """Is what a file says of itself, and of a track if that was listed, and its chapters; names in lower case."""

    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()


def read_labels(folder: Path) -> Labels:
    """Return the labels that FFmpeg listed in a folder; none where it did not come to that."""
    path = folder / LIST
    if not path.exists():
        return Labels()
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        text = file.read(LONGEST_LIST)
    tags: dict[str, str] = {}
    chapters: list[Chapter] = []
    for name, pairs in _sections(text):
        if name == "[CHAPTER]":
            chapters.extend(_chapters(pairs))
        else:
            for tag, value in _lower(pairs).items():
                tags.setdefault(tag, value)  # what comes first is of the whole file
    return Labels(tags, tuple(chapters))


def _sections(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each section's name, the first without one, and its pairs."""
    name, pairs = "", dict[str, str]()
    for line in (match[0] for match in LINE.finditer(text) if match[0]):
        if line in ("[STREAM]", "[CHAPTER]"):
            yield name, pairs
            name, pairs = line, {}
        elif not line.startswith((";", "#")) and (pair := PAIR.fullmatch(line)):
            # FFmpeg's own times of a chapter come before its tags, which may have the same names.
            pairs.setdefault(ESCAPED.sub(r"\1", pair[1]), ESCAPED.sub(r"\1", pair[2]))
    yield name, pairs


def _lower(pairs: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in pairs.items()}


def _chapters(pairs: Mapping[str, str]) -> Iterator[Chapter]:
    """Yield the chapter of a section, unless FFmpeg's integers for its times are missing or out of range."""
    numerator, _, denominator = pairs.get("TIMEBASE", "").partition("/")
    base = read_integer(numerator, least=1, most=LARGEST_INT32), read_integer(denominator, least=1, most=LARGEST_INT32)
    start, end = read_integer(pairs.get("START", "")), read_integer(pairs.get("END", ""))
    if base[0] is None or base[1] is None or start is None or end is None:
        return
    yield Chapter(start * base[0] / base[1], end * base[0] / base[1], _lower(pairs).get("title", ""))
