"""The lines of a function are read from a log that is rotated at the same time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soundlift.local.function_logs import LogLine, function_lines


def line(number: int, function: str = "login") -> str:
    at = datetime(2026, 1, 1, 12, 0, number, tzinfo=UTC)
    return json.dumps({"function": function, "number": number, "timestamp": at.isoformat()}) + "\n"


def numbers(lines: Iterator[LogLine]) -> list[int]:
    return [json.loads(one.text)["number"] for one in lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "gateway.log"


def never() -> bool:
    return False


def test_the_previous_log_comes_first_and_lines_of_other_functions_are_skipped(log: Path) -> None:
    log.with_name("gateway.log.1").write_text(line(1) + line(2, "jobs"))
    log.write_text("Traceback (most recent call last):\n[]\n" + line(3) + '{"function":"login"}\n' + line(4).rstrip())
    assert numbers(function_lines("login", log, since=None, last=None, follow=never)) == [1, 3]
    assert numbers(function_lines("login", log, since=None, last=1, follow=never)) == [3]
    since = datetime(2026, 1, 1, 12, 0, 2, tzinfo=UTC)
    assert numbers(function_lines("login", log, since=since, last=None, follow=never)) == [3]


def test_a_missing_log_has_no_lines(log: Path) -> None:
    assert numbers(function_lines("login", log, since=None, last=None, follow=never)) == []


def test_following_continues_in_the_next_log_without_losing_a_line(log: Path) -> None:
    log.write_text(line(1) + line(2)[:10])
    followed = function_lines("login", log, since=None, last=None, follow=lambda: True)
    assert json.loads(next(followed).text)["number"] == 1
    with log.open("a") as file:
        file.write(line(2)[10:] + line(3))
    assert [json.loads(next(followed).text)["number"] for _ in range(2)] == [2, 3]
    with log.open("a") as file:
        file.write(line(4))
    log.replace(log.with_name("gateway.log.1"))
    log.write_text(line(5))
    assert [json.loads(next(followed).text)["number"] for _ in range(2)] == [4, 5]
    followed.close()
