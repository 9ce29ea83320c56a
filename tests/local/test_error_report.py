"""Warnings and errors of functions are printed as sentences, once a minute each, across rotations of the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundlift.local.error_report import ErrorReport, error_sentence


def entry(**values: object) -> str:
    return json.dumps({"level": "warning", "function": "upload", "event": "store_unavailable", **values}) + "\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (entry(detail="The disk is full."), "upload: The disk is full."),
        (entry(detail="The disk is full.", cause="ENOSPC"), "upload: The disk is full (ENOSPC)."),
        (entry(), "upload: store_unavailable."),
        (entry(detail="two\nlines\x1b[2J"), "upload: two lines\\u{1b}[2J."),
        (entry(level="info"), None),
        (json.dumps({"level": "error", "event": "of no function"}), None),
        ("[1]", None),
        ("Traceback (most recent call last):", None),
    ],
)
def test_a_line_of_the_log_becomes_a_sentence(line: str, sentence: str | None) -> None:
    assert error_sentence(line.encode()) == sentence


def test_only_new_lines_are_printed_and_each_once_across_a_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "gateway.log"
    log.write_text(entry(detail="old"))
    report = ErrorReport(log)
    with log.open("a") as file:
        file.write(entry(detail="one") * 2)
    report.update()
    assert capsys.readouterr().out == "upload: one.\n"
    with log.open("a") as file:
        file.write(entry(detail="two"))
    log.rename(tmp_path / "gateway.log.1")
    report.update()
    log.write_text(entry(detail="three") + entry(detail="one"))
    report.update()
    report.update()
    assert capsys.readouterr().out == "upload: two.\nupload: three.\n"
    report.close()


def test_a_missing_log_is_read_from_its_start_once_it_exists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ErrorReport(tmp_path / "gateway.log")
    report.update()
    (tmp_path / "gateway.log").write_text(entry(detail="first"))
    report.update()
    assert capsys.readouterr().out == "upload: first.\n"
    report.close()
