"""Log lines that cannot be written are dropped and counted, and never fail their caller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundlift.common.log_lines import LogLines

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


def turn(descriptor: int, file: Path) -> None:
    """Let a descriptor write to the end of another file from now on."""
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | (0 if file == FULL else os.O_CREAT), 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


@needs_full
def test_lines_are_dropped_while_the_disk_is_full_and_counted_when_it_is_not(
    descriptor: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = LogLines(descriptor)
    turn(descriptor, FULL)
    for _ in range(3):
        lines.msg("lost")
    turn(descriptor, tmp_path / "log")
    lines.msg("kept")
    lines.msg("kept, too")
    assert (tmp_path / "log").read_text() == "kept\nkept, too\n"
    assert capfd.readouterr().err == "soundlift: 3 log lines were lost.\n"


def test_a_missing_reader_loses_only_the_lines() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    LogLines(writer).msg("lost")
    os.close(writer)


def test_a_line_that_was_written_in_part_is_not_joined_by_the_next(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = LogLines(writer)
    lines.msg("x" * 2**20)  # more than a pipe holds
    torn = os.read(reader, 2**20)
    lines.msg("whole")
    assert torn == b"x" * len(torn)
    assert os.read(reader, 100) == b"\nwhole\n"
    os.close(reader)
    os.close(writer)
