"""The resource limits of FFmpeg, in force before it reads its first byte."""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Sequence

from soundlift.common.errors import Unavailable
from soundlift.common.settings import Settings

SECONDS_TO_DIE = 5
BYTES_ABOVE_OUTPUT = 2**20


def limited_command(command: Sequence[str], settings: Settings) -> list[str]:
    """Return a command that limits its processor time, memory, file size and core dumps, then executes another.

    That is prlimit of util-linux: subprocess's own way, preexec_fn, may deadlock in a process with threads
    (https://docs.python.org/3/library/subprocess.html). Only Linux has all of these limits; elsewhere the command is
    returned as it is, and the limits on wall-clock time and on the size of the output remain.

    Raises Unavailable if prlimit is not installed.
    """
    if sys.platform != "linux":
        return list(command)
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        raise Unavailable("The worker has no command prlimit; install util-linux.")
    seconds = _allowed(resource.RLIMIT_CPU, settings.max_conversion_seconds)
    kill_after = _allowed(resource.RLIMIT_CPU, settings.max_conversion_seconds + SECONDS_TO_DIE)
    memory = _allowed(resource.RLIMIT_AS, settings.max_memory_bytes)
    size = _allowed(resource.RLIMIT_FSIZE, settings.max_mp3_bytes + BYTES_ABOVE_OUTPUT)
    limits = (f"--cpu={seconds}:{kill_after}", f"--as={memory}", f"--fsize={size}", "--core=0")
    return [prlimit, *limits, *command]


def _allowed(kind: int, wanted: int) -> int:
    """Return a limit that this process may set: only a privileged one may raise its hard limit."""
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
