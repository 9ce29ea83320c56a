"""An FFmpeg process: its arguments, its sandbox, its report, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO
from urllib.parse import urlsplit

from soundlift.common.audio.formats import DEMUXERS
from soundlift.common.errors import Unavailable
from soundlift.common.process.ffmpeg import binary
from soundlift.common.process.sandbox.sandbox import Access, open_sandbox
from soundlift.common.settings import Settings

from ..probe.bounded_numbers import read_integer
from ..probe.ffmpeg_log import ENVIRONMENT, LEVEL, QUOTED, FfmpegLog
from ..probe.report import selects_track
from .resource_limits import resource_limits

# Of the lines about the file, of FFmpeg's first other messages, and of its last ones.
MAX_HEADING_CHARS = 1024 * 1024
MAX_BEGINNING_CHARS = 256 * 1024
MAX_END_CHARS = 32 * 1024
MAX_SKIPPED_BYTES = 64 * 2**20  # of text from the file: FFmpeg prints up to 50 bytes for each line break in a title
BLOCK = 64 * 1024

# Only the protocols that reach the stored file, and no demuxers that open further URLs, such as playlists. Otherwise an
# uploaded file could choose what is read and connected to.
PROTOCOLS = {"fd": "fd", "http": "http,tcp"}
# A decoder with several threads loses frames after packets that are to be dropped, such as those before an MP4's edit.
ONE_DECODER_THREAD = ("-threads", "1")
PROGRESS = ("-progress", "pipe:1", "-stats_period", "0.5")
# FFmpeg counts junk between frames as errors, and by default fails if there are more errors than frames.
ALL_ERRORS = ("-max_error_rate", "1")
QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", LEVEL)

NOTHING = Access()

OnProgress = Callable[[float], None]
"""A function that is called with the seconds of sound written so far, twice a second."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of an FFmpeg run: its exit status (negative for a signal), its report, and the seconds written."""

    status: int
    report: str
    seconds: float


def input_args(url: str, lead: float = 0.0) -> list[str]:
    """Return the arguments that make FFmpeg read a stored video, and nothing else.

    The video is read with timestamps shifted by -`lead` seconds.
    """
    protocols = PROTOCOLS[url.partition(":")[0]]
    fence = ["-protocol_whitelist", protocols, "-format_whitelist", DEMUXERS]
    return [*fence, *ONE_DECODER_THREAD, *(["-itsoffset", f"{-lead:f}"] if lead else []), "-i", url]


def server_address(url: str) -> tuple[str, int] | None:
    """Return the host and the port that FFmpeg connects to in order to read a stored video, None for an open file."""
    parts = urlsplit(url)
    return (parts.hostname, parts.port) if parts.hostname and parts.port else None


class Ffmpeg:
    """An FFmpeg process with resource limits, without this process's environment, and confined to an `access`.

    `stdin` is a file descriptor that FFmpeg reads; `pipes` are those that it writes in addition to standard output.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        settings: Settings,
        access: Access = NOTHING,
        *,
        stdin: int = subprocess.DEVNULL,
        pipes: Sequence[int] = (),
    ) -> None:
        self._process, self._connections = open_sandbox(settings.sandbox).start(
            [binary(), *QUIET, *PROGRESS, *ALL_ERRORS, *arguments],
            resource_limits(settings),
            access,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C", **ENVIRONMENT},
            pass_fds=pipes,
        )
        _work_in_batches(self._process.pid)
        assert self._process.stderr is not None
        self._report = _Report(self._process.stderr, self._abort)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def kill(self) -> None:
        """Kill the process; may be called from any thread."""
        self._process.kill()

    def _abort(self) -> None:
        """Abort the process, so that the job fails with TOO_COMPLEX: another run would end the same way."""
        self._process.send_signal(signal.SIGABRT)

    def close(self) -> None:
        """Kill the process if it still runs, and release its pipes."""
        self.kill()
        self._report.text()
        with self._process:
            pass
        if self._connections is not None:
            self._connections.close()

    def wait(self, on_progress: OnProgress | None = None) -> Outcome:
        """Wait for the process to end, and return its outcome; raises Unavailable if it could not reach the server."""
        assert self._process.stdout is not None
        seconds = 0.0
        for line in self._process.stdout:
            name, _, value = line.decode("ascii", "replace").strip().partition("=")
            microseconds = read_integer(value) if name == "out_time_us" else None
            if microseconds is not None:
                seconds = max(0.0, microseconds / 1e6)
                if on_progress is not None:
                    on_progress(seconds)
        text = self._report.text()
        status = self._process.wait()
        if self._connections is not None and self._connections.error is not None:
            raise Unavailable("FFmpeg cannot reach the stored video; the job will be retried.")
        return Outcome(status, text, seconds)


class _Report:
    """FFmpeg's messages, read from a stream by a thread; a limited number of characters is kept.

    The lines about the file are kept separately, so that earlier messages, however many, cannot displace them. `abort`
    is called if FFmpeg prints more than MAX_SKIPPED_BYTES of text from the file.
    """

    def __init__(self, stream: IO[bytes], abort: Callable[[], None]) -> None:
        self._stream = stream
        self._abort = abort
        self._lines = FfmpegLog()
        self._heading, self._beginning = _Lines(MAX_HEADING_CHARS), _Lines(MAX_BEGINNING_CHARS)
        self._end: deque[str] = deque()
        self._end_size = 0
        self._thread = Thread(target=self._drain, name="ffmpeg-report", daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join()
        return "".join([*self._heading.kept, *self._beginning.kept, *self._end])

    def _drain(self) -> None:
        while block := self._stream.read1(BLOCK):  # type: ignore[attr-defined] # not in IO, but in a pipe's buffered reader
            self._keep(self._lines.read(block))
            if self._lines.skipped > MAX_SKIPPED_BYTES:
                self._abort()
        self._keep(self._lines.end())

    def _keep(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.startswith(QUOTED) or selects_track(line):
                self._heading.keep(line)
            elif not self._beginning.keep(line):
                self._keep_at_end(line)

    def _keep_at_end(self, line: str) -> None:
        self._end.append(line + "\n")
        self._end_size += len(line) + 1
        while self._end_size > MAX_END_CHARS:
            self._end_size -= len(self._end.popleft())


class _Lines:
    """The first lines of a text, up to `max_chars` characters."""

    def __init__(self, max_chars: int) -> None:
        self.kept: list[str] = []
        self._remaining = max_chars

    def keep(self, line: str) -> bool:
        """Keep a line if it and all lines before it fit, and return whether they did."""
        self._remaining -= len(line) + 1
        if self._remaining < 0:
            self._remaining = 0
            return False
        self.kept.append(line + "\n")
        return True


def _work_in_batches(pid: int) -> None:
    """Let each thread of a process continue when it wakes another one, which saves a tenth of the time.

    FFmpeg passes every frame through five threads, each of which would otherwise preempt the previous one.
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(PermissionError):  # some sandboxes forbid it, and it only saves time
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
