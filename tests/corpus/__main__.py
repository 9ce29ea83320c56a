"""Holds every media file in a folder to FFmpeg's verdict; a folder that is new or empty is filled with the corpus first.

`python -m tests.corpus FOLDER`; `make corpus DIR=FOLDER` does the same.
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
from tests.corpus.verdicts import Ours, Reference, agree, ours, reference

CORES = os.cpu_count() or 1
ROW = "{:<58} {:<30} {}"


def main(folder: Path) -> int:
    """Fill the folder if there is nothing in it, hold its files to FFmpeg, and return how many disagree."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        make(folder)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    print(f"Converting {len(files)} files, and decoding each with FFmpeg alone …", flush=True)
    with _services() as services, ThreadPoolExecutor(CORES) as pool:
        return _tell(folder, pool.map(lambda file: _held(file, services), files))


def make(folder: Path) -> None:
    """Put every file of the corpus into a folder, and say so."""
    began = time.monotonic()
    with ThreadPoolExecutor(CORES) as pool:
        sizes = list(pool.map(lambda name: (folder / name).write_bytes(CLIPS[name]()), CLIPS))
    print(
        f"Made {len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB, in {time.monotonic() - began:.0f} s: {folder}",
        flush=True,
    )


def _held(file: Path, services: Services) -> tuple[Path, Reference, Ours]:
    return file, reference(file), ours(file, services)


def _tell(folder: Path, verdicts: Iterator[tuple[Path, Reference, Ours]]) -> int:
    """Print each disagreement as it is found, and the sum of all; return how many there are."""
    count: Counter[str] = Counter()
    for file, theirs, here in verdicts:
        count["an MP3" if here.ready else str(here)] += 1
        if not agree(file, theirs, here):
            if not count["disagreements"]:
                print(ROW.format("FILE", "FFMPEG", "HERE"))
            count["disagreements"] += 1
            print(ROW.format(str(file.relative_to(folder)), str(theirs), str(here)), flush=True)
    disagreements = count.pop("disagreements", 0)
    print(", ".join(f"{number} × {verdict}" for verdict, number in count.most_common()))
    print(f"{disagreements or 'No'} disagreement{'' if disagreements == 1 else 's'} with FFmpeg.")
    return disagreements


@contextmanager
def _services() -> Iterator[Services]:
    """Give what a conversion needs, in a folder of its own for as long as it is needed."""
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
