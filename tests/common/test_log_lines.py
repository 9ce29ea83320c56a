"""Log lines that cannot be written are dropped and counted, and never raise an error in the caller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundlift.common.log_lines import LogLines

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="/dev/full exists only on Linux")


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


def redirect(descriptor: int, file: Path) -> None:
    """Redirect a descriptor to the end of a file."""
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | (0 if file == FULL else os.O_CREAT), 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


@needs_full
def test_lines_are_dropped_while_the_disk_is_full_and_counted_when_it_is_not(
    descriptor: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = LogLines(descriptor)
    redirect(descriptor, FULL)
    for _ in range(3):
        lines.msg("lost")
    redirect(descriptor, tmp_path / "log")
    lines.msg("kept")
    lines.msg("kept, too")
    assert (tmp_path / "log").read_text() == "kept\nkept, too\n"
    assert capfd.readouterr().err == "soundlift: 3 log lines were lost.\n"


def test_lines_for_a_reader_that_has_exited_are_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    LogLines(writer).msg("lost")
    os.close(writer)


def test_the_next_line_is_not_appended_to_a_partly_written_one(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = LogLines(writer)
    lines.msg("x" * 2**20)  # more than a pipe holds
    partial = os.read(reader, 2**20)
    lines.msg("whole")
    assert partial == b"x" * len(partial)
    assert os.read(reader, 100) == b"\nwhole\n"
    os.close(reader)
    os.close(writer)
