"""A command that compares the conversion of every media file in a folder with FFmpeg's own decoding.

A new or empty folder is filled with the corpus first. `python -m tests.corpus FOLDER`, or `make corpus DIR=FOLDER`.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from soundlift.common.db.migrations import migrate
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.corpus.clips import CLIPS
from tests.corpus.verdicts import Reference, Result, agree, convert_file, decode_with_ffmpeg

CORES = os.cpu_count() or 1
ROW = "{:<58} {:<30} {}"


def main(folder: Path) -> int:
    """Fill the folder if it is empty, compare its files with FFmpeg, and return the number of disagreements."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        make(folder)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    print(f"Converting {len(files)} files, and decoding each with FFmpeg alone …", flush=True)
    with _services() as services, ThreadPoolExecutor(CORES) as pool:
        return _report(folder, pool.map(lambda file: _compare(file, services), files))


def make(folder: Path) -> None:
    """Write every file of the corpus to a folder, and print a summary."""
    began = time.monotonic()
    with ThreadPoolExecutor(CORES) as pool:
        sizes = list(pool.map(lambda name: (folder / name).write_bytes(CLIPS[name]()), CLIPS))
    print(
        f"Made {len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB, in {time.monotonic() - began:.0f} s: {folder}",
        flush=True,
    )


def _compare(file: Path, services: Services) -> tuple[Path, Reference, Result]:
    return file, decode_with_ffmpeg(file), convert_file(file, services)


def _report(folder: Path, verdicts: Iterator[tuple[Path, Reference, Result]]) -> int:
    """Print each disagreement as it is found, and a summary; return the number of disagreements."""
    count: Counter[str] = Counter()
    for file, expected, result in verdicts:
        count["an MP3" if result.ready else str(result)] += 1
        if not agree(file, expected, result):
            if not count["disagreements"]:
                print(ROW.format("FILE", "FFMPEG", "SOUNDLIFT"))
            count["disagreements"] += 1
            print(ROW.format(str(file.relative_to(folder)), str(expected), str(result)), flush=True)
    disagreements = count.pop("disagreements", 0)
    print(", ".join(f"{number} × {verdict}" for verdict, number in count.most_common()))
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
    sys.exit(min(main(Path(sys.argv[1])), 1))
