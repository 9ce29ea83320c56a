"""The logs of children are rotated while the children run, and no line is lost that can be written."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devservers.local_stack import Process, Stack, Start, living_processes
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.local import log_writer
from soundlift.local.log_pipe import MAX_LOG_BYTES

MAX_BYTES = 200_000
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit the resources of another process")

STACK = """
functions:
  parrot:
    handler: ./chatty/parrot
    image: chatty/parrot
"""
PARROT = """
import sys

def app(environ, start_response):
    start_response("200 OK", [])
    for number in range(int(environ["QUERY_STRING"])):
        print(f"parrot {number:06} {'a' * 1000}", flush=True)
    return iter(lambda: echo(environ["wsgi.input"].read(1024)), b"")

def echo(block):
    print("parrot heard", block.decode(), flush=True)
    return block
"""


class Writer:
    """A log writer, and the pipe into it."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", log_writer.__file__, str(log), str(MAX_BYTES)],
            stdin=subprocess.PIPE,
            bufsize=0,
        )

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(DEADLINE_SECONDS) == 0

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[[str], Writer]]:
    writers: list[Writer] = []

    def start(name: str) -> Writer:
        writers.append(Writer(tmp_path / name))
        return writers[-1]

    yield start
    for one in writers:
        one.process.kill()
        one.process.communicate()


def lines(first: int, last: int) -> str:
    return "".join(f"line {number:05}\n" for number in range(first, last))


def test_a_log_is_rotated_between_lines_before_it_is_too_large(writer: Callable[[str], Writer], tmp_path: Path) -> None:
    one = writer("a.log")
    text = lines(0, 40_000)
    for begin in range(0, len(text), 777):
        one.write(text[begin : begin + 777])
    one.end()
    logs = [tmp_path / "a.log.1", tmp_path / "a.log"]
    kept = "".join(log.read_text() for log in logs)
    assert text.endswith(kept)
    assert kept.startswith("line ")
    assert all(0 < log.stat().st_size <= MAX_BYTES for log in logs)


def test_an_existing_log_is_continued_and_rotated_too(writer: Callable[[str], Writer], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(lines(0, MAX_BYTES // 11))
    one = writer("a.log")
    one.write("the next line\n")
    one.end()
    assert (tmp_path / "a.log.1").read_text() == lines(0, MAX_BYTES // 11)
    assert one.text() == "the next line\n"


def test_a_line_larger_than_a_log_is_kept_complete_in_one_log(writer: Callable[[str], Writer], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("a" * MAX_BYTES)
    one = writer("a.log")
    one.write("aa")
    wait_for(lambda: _is_idle(one), "the writer has read part of the line")
    one.write("\nthe next line\n")
    one.end()
    assert (tmp_path / "a.log.1").read_text() == "a" * (MAX_BYTES + 2) + "\n"
    assert one.text() == "the next line\n"


def test_lines_that_cannot_be_written_are_counted_and_reported_in_the_log(
    writer: Callable[[str], Writer], tmp_path: Path
) -> None:
    one = writer("folder/a.log")
    one.write("lost 1\nlost 2\n")
    one.write("lost")
    wait_for(lambda: _is_idle(one), "the writer has read everything")
    one.log.parent.mkdir()
    one.write(" 3\nkept\n")
    wait_for(lambda: one.text().endswith("kept\n"), "the log is written again")
    entry, kept = one.text().splitlines()
    assert {name: json.loads(entry)[name] for name in ("count", "cause", "event", "level")} == {
        "count": 3,
        "cause": "No such file or directory",
        "event": "log lines lost",
        "level": "warning",
    }
    assert kept == "kept"


@on_linux
def test_a_line_cut_by_a_full_disk_is_terminated_before_the_next(writer: Callable[[str], Writer]) -> None:
    one = writer("a.log")
    wait_for(lambda: _is_idle(one), "the writer ignores SIGXFSZ")
    limit = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
    one.write("a line of some twenty letters and more\nlost\n")
    wait_for(lambda: len(one.text()) == 20 and _is_idle(one), "the line has been cut")
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, limit)
    one.write("kept\n")
    wait_for(lambda: one.text().endswith("kept\n"), "the log is written again")
    cut, entry, kept = one.text().splitlines()
    assert (cut, json.loads(entry)["count"], kept) == ("a line of some twent", 2, "kept")


def test_a_writer_ends_with_its_input_and_ignores_signals_to_the_group(writer: Callable[[str], Writer]) -> None:
    one = writer("a.log")
    one.write("first\n")
    wait_for(lambda: one.text() == "first\n", "the writer is running")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        one.process.send_signal(number)
    one.write("last\n")
    one.end()
    assert one.text() == "first\nlast\n"


def _is_idle(writer: Writer) -> bool:
    """Return whether a writer has emptied its pipe and is sleeping."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(writer.process.pid)], capture_output=True, check=True)
    assert writer.process.stdin is not None
    waiting = fcntl.ioctl(writer.process.stdin, termios.FIONREAD, bytes(4))
    return not any(waiting) and listed.stdout.startswith(b"S")


@pytest.fixture
def stack(start: Start, tmp_path: Path) -> Stack:
    handler = tmp_path / "chatty" / "parrot" / "handler.py"
    handler.parent.mkdir(parents=True)
    handler.write_text(PARROT)
    (tmp_path / "stack.yml").write_text(STACK)
    return start(STACK_FILE=str(tmp_path / "stack.yml"), PYTHONPATH=str(tmp_path))


def writers_of(stack: Stack) -> list[Process]:
    return [
        one for one in living_processes().values() if "log_writer" in one.command and str(stack.data) in one.command
    ]


@pytest.mark.servers
def test_the_gateways_log_is_rotated_while_it_runs_without_losing_a_line(stack: Stack) -> None:
    count = MAX_LOG_BYTES // 1000
    assert stack.get(f"/parrot?{count}").status == 200
    logs = [stack.data / "logs" / name for name in ("gateway.log.1", "gateway.log")]
    wait_for(
        lambda: all(log.exists() for log in logs) and "parrot heard" in logs[1].read_text(),
        "everything has been written",
    )
    text = "".join(log.read_text() for log in logs)
    numbers = [int(line.split()[1]) for line in text.splitlines() if line.startswith("parrot 0")]
    assert numbers == list(range(count))
    assert all(log.stat().st_size <= MAX_LOG_BYTES for log in logs)


@pytest.mark.servers
def test_a_killed_writer_is_restarted(stack: Stack) -> None:
    wait_for(lambda: len(writers_of(stack)) == 2, "the writers of gateway and connector are running")
    before = writers_of(stack)
    for one in before:
        os.kill(one.pid, signal.SIGKILL)
    wait_for(
        lambda: len({one.pid for one in writers_of(stack)} - {one.pid for one in before}) == 2,
        "new writers are running",
    )
    assert stack.get("/parrot?1").status == 200
    wait_for(lambda: "parrot heard" in (stack.data / "logs" / "gateway.log").read_text(), "the log is written again")


@pytest.mark.servers
def test_a_gateway_still_logs_after_its_supervisor_was_killed(stack: Stack) -> None:
    host, port = stack.url.removeprefix("http://").split(":")
    log = stack.data / "logs" / "gateway.log"
    with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(b"POST /parrot?0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"6\r\nbefore\r\n")
        wait_for(lambda: "request" in log.read_text() or stack.answers(), "the request is being handled")
        stack.process.kill()
        stack.process.wait()
        connection.sendall(b"5\r\nafter\r\n0\r\n\r\n")
        wait_for(lambda: "after" in log.read_text(), "the log contains the rest")
    wait_for(lambda: not writers_of(stack), "the writers have ended too")
