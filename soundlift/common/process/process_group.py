"""A process group for children that must not outlive this process, however it ends.

A small shell leads the group and reads a pipe that only this process can write to. When this process ends, even by
kill -9, the kernel closes the pipe, and the shell kills the group including itself.

A child joins the group between fork and exec, so it is never outside the group, no process id has to be stored (it
might be reused), and starting a child takes no longer. The shell is started once per process, in 1 ms and less than
2 MB. This works on Linux and macOS. PR_SET_PDEATHSIG exists on Linux only and is sent when the *thread* that started
the child ends; and it has to be set inside the child: by a `preexec_fn`, which is unsafe with threads, or by a launcher
for each child, which takes time.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from threading import Lock

# A platform may send the signal to all processes of a service: the shell runs until the pipe is closed.
LEADER = ("/bin/sh", "-c", "trap '' HUP INT TERM; read -r _; kill -KILL 0")


@dataclass(frozen=True)
class _Leader:
    """The shell that leads the group of one process; its standard input is the pipe."""

    owner: int
    shell: subprocess.Popen[bytes]

    @property
    def usable(self) -> bool:
        """Return whether the shell is running and belongs to this process rather than to its parent."""
        return self.owner == os.getpid() and self.shell.poll() is None


_lock = Lock()
_leaders: list[_Leader] = []


def process_group() -> int:
    """Return the id of the group, for `subprocess.Popen(process_group=…)`; raises OSError."""
    with _lock:
        if not _leaders or not _leaders[0].usable:
            _leaders[:] = [_Leader(os.getpid(), _start())]
        return _leaders[0].shell.pid


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        LEADER,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        process_group=0,
    )
