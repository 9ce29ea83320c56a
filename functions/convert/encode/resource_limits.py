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
    """Return a command that limits CPU time, memory, file size and core dumps, then executes `command`.

    It uses prlimit of util-linux, because subprocess's preexec_fn may deadlock in a process with threads
    (https://docs.python.org/3/library/subprocess.html). Only Linux has all of these limits. On other systems the
    command is returned unchanged, and only wall-clock time and the size of the output are limited.

    Raises Unavailable if prlimit is not installed.
    """
    if sys.platform != "linux":
        return list(command)
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        raise Unavailable("The command prlimit is missing on this worker; install util-linux.")
    seconds = _capped(resource.RLIMIT_CPU, settings.max_conversion_seconds)
    kill_after = _capped(resource.RLIMIT_CPU, settings.max_conversion_seconds + SECONDS_TO_DIE)
    memory = _capped(resource.RLIMIT_AS, settings.max_memory_bytes)
    size = _capped(resource.RLIMIT_FSIZE, settings.max_mp3_bytes + BYTES_ABOVE_OUTPUT)
    limits = (f"--cpu={seconds}:{kill_after}", f"--as={memory}", f"--fsize={size}", "--core=0")
    return [prlimit, *limits, *command]


def _capped(kind: int, requested: int) -> int:
    """Return the requested limit, or the hard limit if that is lower: only a privileged process may raise it."""
    hard = resource.getrlimit(kind)[1]
    return requested if hard == resource.RLIM_INFINITY else min(requested, hard)
