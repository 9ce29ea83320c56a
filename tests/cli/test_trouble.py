"""While a server is in trouble, the command says once what is wrong, and claims no recovery before there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from soundlift.cli.display import NoBars
from soundlift.cli.messages import Messages
from soundlift.client import ApiError, ClientError, ConnectionFailed
from tests.client.servers import Reply, WrittenAnswers
from tests.factories.jobs import MP4

CLAIMS = Reply(200, json.dumps({"claims": {"username": "ada@example.org"}}).encode())
JOB = {"job_id": "1", "file_name": "a.mp4", "created_at": "2026-01-01T00:00:00Z", "error": None}
QUEUED, CANCELLED = (Reply(202, json.dumps({**JOB, "state": state}).encode()) for state in ("queued", "cancelled"))
LOST = ConnectionFailed("The connection was interrupted.", temporary=True)


def unavailable(code: str, detail: str) -> Reply:
    return Reply(503, json.dumps({"code": code, "detail": detail}).encode())


def refusal(code: str, detail: str) -> ApiError:
    return ApiError(503, code=code, title="Unavailable", detail=detail)


@pytest.fixture
def server() -> Iterator[WrittenAnswers]:
    with WrittenAnswers().running() as server:
        yield server


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def messages(printed: list[str]) -> Messages:
    class Recording(NoBars):
        def print(self, line: str, *, err: bool) -> None:
            printed.append(line)

    return Messages(Recording(), 0)


def in_another_thread(call: Callable[[], None]) -> None:
    thread = Thread(target=call)
    thread.start()
    thread.join()


@pytest.mark.slow
def test_a_full_disk_is_reported_once_in_the_words_of_the_server(server: WrittenAnswers, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(MP4)
    full = unavailable("store_unavailable", "The disk is full.")
    server.replies = [CLAIMS, full, full, full, QUEUED, CANCELLED]
    ended = subprocess.run(
        [sys.executable, "-m", "soundlift.cli", "convert", "a.mp4"],
        env={**os.environ, "SOUNDLIFT_URL": server.url, "SOUNDLIFT_TOKEN": "any"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr.splitlines() == [
        "The server answered: The disk is full. Trying again until it works; Ctrl-C stops.",
        "The server works again.",
        "soundlift: The job was cancelled before its audio file was ready.",
    ]


def test_each_kind_of_trouble_is_reported_once(messages: Messages, printed: list[str]) -> None:
    for error in (LOST, refusal("database_unavailable", "The database does not answer."), LOST, LOST):
        messages.retrying(error, 1)
    assert printed == [
        "The connection was interrupted. Trying again until it works; Ctrl-C stops.",
        "The server answered: The database does not answer. Trying again until it works; Ctrl-C stops.",
    ]


def test_recovery_is_reported_when_no_file_is_in_trouble_any_more(messages: Messages, printed: list[str]) -> None:
    messages.retrying(LOST, 1)
    in_another_thread(messages.succeeded)
    in_another_thread(lambda: messages.retrying(LOST, 1))
    assert len(printed) == 1
    messages.succeeded()
    assert len(printed) == 1, "the other file is still in trouble"


@pytest.mark.parametrize(
    ("error", "recovery"),
    [(LOST, "Connected again."), (refusal("store_unavailable", "The disk is full."), "The server works again.")],
)
def test_trouble_after_a_recovery_is_reported_again(
    messages: Messages, printed: list[str], error: ClientError, recovery: str
) -> None:
    for _ in range(2):
        messages.retrying(error, 1)
        messages.succeeded()
        messages.succeeded()
    assert printed[1::2] == [recovery] * 2
    assert printed[0] == printed[2]


def test_a_file_that_has_ended_in_trouble_does_not_hide_the_recovery_of_others(
    messages: Messages, printed: list[str]
) -> None:
    def end() -> None:
        messages.retrying(LOST, 1)
        messages.ended()

    in_another_thread(end)
    messages.succeeded()
    assert printed[-1] == "Connected again."


def test_an_answer_of_a_proxy_is_not_introduced_twice(messages: Messages, printed: list[str]) -> None:
    messages.retrying(
        ApiError(502, code="unexpected_answer", title="Bad Gateway", detail="The server answered 502 Bad Gateway."), 1
    )
    assert printed == ["The server answered 502 Bad Gateway. Trying again until it works; Ctrl-C stops."]
