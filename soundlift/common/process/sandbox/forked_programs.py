"""Programs that the fork server starts, as children of this process."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import DEVNULL, PIPE
from threading import Lock
from types import TracebackType
from typing import IO, Self

from soundlift.common.process.process_group import process_group
from soundlift.common.process.sandbox import fork_server

ROOT = Path(__file__).resolve().parents[__name__.count(".")]
SERVE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from {} import main; main()"
ANSWER_SECONDS = 60  # for what takes milliseconds; a server that is stopped or hangs must not hold up all conversions


class CannotFork(Exception):
    """The system does not let the fork server start programs."""


class ForkedProgram:
    """A running program; `stdout` and `stderr` are pipes that it writes, None if it writes elsewhere."""

    def __init__(self, pid: int, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        for pipe in (self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()
        self.wait()

    def wait(self) -> int:
        """Return the exit status, negative for a signal, once the program has ended."""
        while (status := self.poll()) is None:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        return status

    def poll(self) -> int | None:
        """Return the exit status, None if the program is running."""
        with self._lock:
            if self.returncode is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if ended else None
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the program, unless it has ended; may be called from any thread."""
        with self._lock:
            if self.returncode is None:  # until the status is read, no other process gets the id
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program, unless it has ended; may be called from any thread."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The fork server of one process, which ends with that process."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._connection, inherited = socket.socketpair()
        self._connection.settimeout(ANSWER_SECONDS)
        with inherited:
            command = [sys.executable, "-I", "-S", "-c", SERVE.format(fork_server.__name__), str(ROOT)]
            self._process = subprocess.Popen(
                command, stdin=inherited.fileno(), stdout=DEVNULL, env={}, process_group=process_group()
            )

    @property
    def usable(self) -> bool:
        """Return whether the server is running and belongs to this process rather than to its parent."""
        return self._owner == os.getpid() and self._process.poll() is None

    def close(self) -> None:
        """Let the server end, and wait for it if it belongs to this process."""
        self._connection.close()
        if self._owner == os.getpid():
            self._process.wait()

    def kill(self) -> None:
        """End the server, whatever it is doing; a program that it is starting may still run."""
        self._process.kill()
        self.close()

    def start(self, request: bytes, descriptors: Sequence[int]) -> int:
        """Return the id of the started program; raises CannotFork, and OSError if the server does not answer."""
        length = struct.pack(fork_server.LENGTH, len(request))
        socket.send_fds(self._connection, [length], descriptors)
        self._connection.sendall(request)
        answer = self._connection.recv(struct.calcsize(fork_server.ANSWER), socket.MSG_WAITALL)
        if not answer:
            raise ConnectionResetError
        (pid,) = struct.unpack(fork_server.ANSWER, answer)
        if pid < 0:
            raise CannotFork(os.strerror(-pid))
        return int(pid)


_lock = Lock()
_servers: list[_Server] = []


def start_forked(  # noqa: PLR0913 - those of Popen
    words: Sequence[str],
    *,
    stdin: int = DEVNULL,
    stdout: int = 1,
    stderr: int = 2,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
) -> ForkedProgram:
    """Start a program as the launcher's arguments describe it; the other arguments are those of Popen.

    Raises CannotFork if the system does not let the server fork, OSError, and ValueError for a text with a NUL.
    """
    pipes: dict[int, IO[bytes]] = {}
    with ExitStack() as inherited, ExitStack() as own:

        def opened(number: int, stream: int) -> int:
            if stream == DEVNULL:
                written = os.open(os.devnull, os.O_RDWR)
            elif stream == PIPE:
                read, written = os.pipe()
                pipes[number] = own.enter_context(os.fdopen(read, "rb"))
            else:
                return stream
            inherited.callback(os.close, written)
            return written

        streams = {number: opened(number, stream) for number, stream in enumerate((stdin, stdout, stderr))}
        descriptors = streams | {one: one for one in pass_fds}
        request = _joined(_request(descriptors, env, words))
        pid = _start(request, list(descriptors.values()))
        own.pop_all()
    return ForkedProgram(pid, pipes.get(1), pipes.get(2))


def _request(descriptors: Mapping[int, int], env: Mapping[str, str], words: Sequence[str]) -> Iterator[str]:
    yield str(process_group())
    yield ",".join(map(str, descriptors))
    yield str(len(env))
    yield from (f"{name}={value}" for name, value in env.items())
    yield from words


def _joined(words: Iterator[str]) -> bytes:
    """Return words with a NUL between them; raises ValueError for a NUL in one, which would make it two."""
    texts = [*words]
    if any("\0" in text for text in texts):
        raise ValueError("embedded null byte")
    return "\0".join(texts).encode("utf-8", "surrogateescape")


def _start(request: bytes, descriptors: Sequence[int]) -> int:
    with _lock:
        if not _servers or not _servers[0].usable:
            for server in _servers:
                server.close()
            _servers.clear()
            _servers.append(_Server())
        try:
            return _servers[0].start(request, descriptors)
        except CannotFork:
            raise
        except BaseException as error:  # also that of a signal: the next start must not get the answer to this one
            _servers.pop().kill()
            if isinstance(error, OSError):
                raise OSError(errno.EAGAIN, f"The fork server does not answer: {error}") from error
            raise
