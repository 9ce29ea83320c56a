"""On a terminal of 60 columns, no description of a command is cut, and errors are broken between words."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click import Context, HelpFormatter

from soundlift.cli.main import soundlift

COLUMNS = 60


def run_narrow(folder: Path, *arguments: str) -> list[str]:
    """Run a command on a terminal of 60 columns, and return its lines."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-m", "soundlift.cli", *arguments],
        cwd=folder,
        env={**environment, "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    ):
        os.close(follower)
        output = b""
        with os.fdopen(leader, "rb", 0) as terminal:
            try:
                while block := terminal.read(4096):
                    output += block
            except OSError:  # Linux reports the end of the last process so
                pass
    return output.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("command", soundlift.list_commands(Context(soundlift)))
def test_no_description_is_cut_in_the_list_of_commands(command: str) -> None:
    with Context(soundlift, max_content_width=COLUMNS, terminal_width=COLUMNS) as context:
        formatter = HelpFormatter(width=COLUMNS - 2)
        soundlift.format_commands(context, formatter)
    (line,) = (line for line in formatter.getvalue().splitlines() if line.split()[:1] == [command])
    assert "..." not in line
    assert len(line) <= COLUMNS


@pytest.mark.servers
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("whoami", "--url", "127.0.0.1:1", "--token", "x"), "Start it with `soundlift up`, or set SOUNDLIFT_URL."),
        (("user", "list", "--data", "no-such-folder"), "or start one there with `soundlift up`."),
        (("up", "--prot", "1"), "See `soundlift up --help`."),
    ],
)
def test_errors_are_broken_between_words(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    lines = run_narrow(tmp_path, *arguments)
    assert " ".join(lines).endswith(sentence)
    assert lines[0].startswith("soundlift: ")
    assert all(len(line) <= COLUMNS or " " not in line for line in lines)
