"""A command that compares the conversion of every media file in a folder with FFmpeg's own decoding.

A new or empty folder is filled with the corpus first. `python -m tests.corpus FOLDER [FORMAT …]`, or `make corpus
DIR=FOLDER FORMAT="flac opus"`. The formats are those that an upload can request; without any, or with `all`, files are
converted to each of them.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import structlog

from soundlift.common.audio.output_formats import REQUESTABLE
from soundlift.common.db.migrations import migrate
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.corpus.clips import CLIPS
from tests.corpus.verdicts import Reference, Result, agree, convert_file, decode_with_ffmpeg

CORES = os.cpu_count() or 1
ALL = "all"
FORMAT_NAMES = tuple(REQUESTABLE)
ROW = "{:<58} {:<9} {:<30} {}"

Comparison = tuple[Path, str, Reference, Result, float]


@dataclass
class Row:
    """The results for all files in one format: the verdicts, the disagreements, the bytes written, and the seconds."""

    verdicts: Counter[str] = field(default_factory=Counter)
    disagreements: int = 0
    size: int = 0
    seconds: float = 0.0


def main(folder: Path, formats: Sequence[str]) -> int:
    """Fill the folder if it is empty, compare its files with FFmpeg, and return the number of disagreements."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        make(folder)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    print(f"Converting {len(files)} files to {', '.join(formats)}, and decoding each with FFmpeg alone …", flush=True)
    with _services() as services, ThreadPoolExecutor(CORES) as pool:
        comparisons = pool.map(lambda file: _compare(file, formats, services), files)
        return _report(folder, formats, chain.from_iterable(comparisons))


def make(folder: Path) -> None:
    """Write every file of the corpus to a folder, and print a summary."""
    began = time.monotonic()
    with ThreadPoolExecutor(CORES) as pool:
        sizes = list(pool.map(lambda name: (folder / name).write_bytes(CLIPS[name]()), CLIPS))
    print(
        f"Made {len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB, in {time.monotonic() - began:.0f} s: {folder}",
        flush=True,
    )


def _compare(file: Path, formats: Sequence[str], services: Services) -> list[Comparison]:
    """Return a file, a format, what FFmpeg decodes, the result, and the seconds that it took, for each format."""
    expected = decode_with_ffmpeg(file)
    found = []
    for name in formats:
        began = time.monotonic()
        result = convert_file(file, services, name, compare=True)
        found.append((file, name, expected, result, time.monotonic() - began))
    return found


def _report(folder: Path, formats: Sequence[str], comparisons: Iterable[Comparison]) -> int:
    """Print each disagreement as it is found, and a summary; return the number of disagreements."""
    rows = {name: Row() for name in formats}
    for file, name, expected, result, seconds in comparisons:
        row = rows[name]
        row.verdicts[str(result)] += 1
        row.seconds += seconds
        row.size += (result.job.mp3_bytes or 0) if result.job is not None else 0
        if not agree(file, expected, result):
            if not sum(each.disagreements for each in rows.values()):
                print(ROW.format("FILE", "FORMAT", "FFMPEG", "SOUNDLIFT"))
            row.disagreements += 1
            print(ROW.format(str(file.relative_to(folder)), name, str(expected), str(result)), flush=True)
    for name, row in rows.items():
        print(f"{name}: {row.disagreements} disagreements, {row.size / 2**20:.1f} MiB, {row.seconds:.0f} s", end=": ")
        print(", ".join(f"{number} × {verdict}" for verdict, number in row.verdicts.most_common()))
    disagreements = sum(row.disagreements for row in rows.values())
    print(f"{disagreements or 'No'} disagreement{'' if disagreements == 1 else 's'} with FFmpeg.")
    return disagreements


@contextmanager
def _services() -> Iterator[Services]:
    """Yield the services for conversions, in a temporary folder."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with temporary_folder("corpus") as data:
        migrate(f"sqlite:///{data}/soundlift.db")
        settings = Settings.from_environment(
            {"SOUNDLIFT_DATA": str(data), "JWT_SECRET": "no token is signed here: " * 2}
        )
        services = Services(replace(settings, convert_concurrency=CORES))
        yield services
        services.database.engine.dispose()


if __name__ == "__main__":
    requested = [name for name in sys.argv[2:] if name != ALL]
    if unknown := set(requested) - set(FORMAT_NAMES):
        sys.exit(f"Unknown formats: {', '.join(sorted(unknown))}. There are {', '.join(FORMAT_NAMES)}, and {ALL}.")
    sys.exit(min(main(Path(sys.argv[1]), requested or FORMAT_NAMES), 1))
