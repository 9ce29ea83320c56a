"""Mistakes are reported in one sentence, with an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (("user", "add", "ada"), "a long password\n", "'ada' is not a single mail address such as name@example.org."),
        (("user", "add", "a@x.org, b@x.org"), "a long password\n", "is not a single mail address"),
        (("user", "add", "ada@example.org"), "short\n", "A password must have at least 8 characters."),
        (("user", "remove", "eve@example.org"), "", "eve@example.org has no account."),
        (("user", "passwd", "eve@example.org"), "", "eve@example.org has no account."),
        (("dead", "show", "7"), "", "There is no dead letter 7; `soundlift dead list` shows them."),
        (("dead", "drop"), "", "Name the dead letters or use --all; `soundlift dead list` shows them."),
    ],
)
def test_an_invalid_argument_is_one_sentence_and_exit_code_1(
    run: Run, arguments: tuple[str, ...], stdin: str, sentence: str
) -> None:
    assert run("migrate").returncode == 0
    ended = run(*arguments, stdin=stdin)
    assert ended.returncode == 1
    assert ended.stderr.startswith("soundlift: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("usr",), ("user", "ad"), ("up", "--prot", "1"), ("convert", "no-such-file.mp4")]
)
def test_a_typo_is_shown_and_the_exit_code_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert arguments[-1].strip("-") in ended.stderr or "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_suggestion_is_a_sentence_of_its_own(run: Run) -> None:
    ended = run("up", "--prot", "1")
    assert "'--prot'. Did you mean one of: '--host', '--port'? See `soundlift up --help`." in ended.stderr
    assert "No such command 'convrt'. Did you mean 'convert'? See `soundlift --help`." in run("convrt").stderr


def test_a_result_that_cannot_be_written_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "soundlift.cli", "--version"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"soundlift: No space left on device.\n")


def test_a_reader_that_has_ended_is_no_error_to_report() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "soundlift.cli", "--version"], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"")
