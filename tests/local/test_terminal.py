"""Printed text fits the terminal, and printed commands can be run."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from pathlib import Path

import pytest

from soundlift.local.program_name import name_of, runnable
from soundlift.local.terminal import wrap

SENTENCES = "Soundlift is ready, and everything that it stores is in a folder of yours."
COMMAND = "  command --that stays --on one --line whatever its length"


def test_lines_are_broken_between_words_on_a_terminal_only() -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 40, 0, 0))
    text = f"{SENTENCES}\n{COMMAND}"
    with os.fdopen(follower, "w") as terminal, os.fdopen(leader, "rb", 0), Path(os.devnull).open("w") as file:
        *lines, last = wrap(text, terminal).splitlines()
        assert wrap(text, file) == text
    assert (" ".join(lines), last) == (SENTENCES, COMMAND)
    assert max(map(len, lines)) <= 40


@pytest.fixture
def script(tmp_path: Path) -> Path:
    program = tmp_path / "a folder" / "bin" / "soundlift"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    return program


def test_a_program_on_path_is_shown_by_its_name(script: Path, tmp_path: Path) -> None:
    assert name_of(script, str(script), tmp_path) == "soundlift"
    (tmp_path / "link").symlink_to(script)
    assert name_of(script, str(tmp_path / "link"), tmp_path) == "soundlift"


def test_a_program_below_the_current_folder_is_shown_relative_to_it(script: Path) -> None:
    assert name_of(script, None, script.parents[1]) == "bin/soundlift"
    assert name_of(script, None, script.parents[2]) == "'a folder/bin/soundlift'"


def test_any_other_program_is_shown_with_its_quoted_path(script: Path, tmp_path: Path) -> None:
    other = tmp_path / "soundlift"
    other.touch(0o755)
    for on_path in (None, str(other), str(tmp_path / "none")):
        assert name_of(script, on_path, Path("/elsewhere")) == f"'{script}'"


def test_without_a_script_it_is_shown_as_in_the_documents() -> None:
    assert name_of(Path("/x/soundlift/cli/__main__.py"), None, Path("/x")) == "soundlift"


def test_commands_in_messages_begin_with_the_name() -> None:
    assert runnable("Start it with `soundlift up`.", ".venv/bin/soundlift") == "Start it with `.venv/bin/soundlift up`."
