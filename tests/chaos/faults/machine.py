"""Faults of the machine: a full disk, and a clock that is stepped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.schedule import Fault
from tests.chaos.system.system import System

BLOCK = 2**20
FORWARDS = (35, -35)  # more than the time of a claim
BACKWARDS = (-35, 35)


@contextmanager
def fill_disk(system: System, fault: Fault) -> Iterator[None]:
    """Fill the disk of convert's temporary files."""
    with full_disk(system.disk):
        yield


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Fill the disk of a folder with a file in it."""
    filler = folder / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(BLOCK))
        yield
    finally:
        filler.unlink(missing_ok=True)


@contextmanager
def step_clock(system: System, fault: Fault) -> Iterator[None]:
    """Step the database's clock, by which claims end, forwards or backwards, and later back again."""
    there, back = FORWARDS if fault.choice < 0.5 else BACKWARDS
    system.servers.clock.step(there)
    try:
        yield
    finally:
        system.servers.clock.step(back)
