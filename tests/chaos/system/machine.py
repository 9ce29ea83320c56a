"""What needs the operating system's help: a mount namespace, host names, a small disk, and another clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

IN_NAMESPACE = "CHAOS_IN_NAMESPACE"  # set in the environment once the program runs in a mount namespace of its own
LIBRARY = "libfaketimeMT.so.1"
NO_NAMESPACE = "needs root, or the right to create user namespaces, and starts with `make chaos`"
HOW_TO_INSTALL = "on Debian and Ubuntu, apt-get install faketime"
NO_LIBRARY = f"needs libfaketime: {HOW_TO_INSTALL}"
RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"  # nothing answers there


def enter_namespace(arguments: Sequence[str]) -> None:
    """Start this program again with its arguments in a mount namespace, unless that is impossible or already done.

    Whatever is mounted there is gone when the program ends, even if it is killed.
    """
    if IN_NAMESPACE in os.environ or not sys.platform.startswith("linux"):
        return
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshare = ["unshare", *user, "--mount", "--propagation", "private"]
    works = (
        shutil.which("unshare")
        and not subprocess.run(
            [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True
        ).returncode
    )
    os.environ[IN_NAMESPACE] = "1" if works else ""
    if works:
        os.execvp(unshare[0], [*unshare, sys.executable, "-m", "tests.chaos", *arguments])


def has_namespace() -> bool:
    """Return whether this program may mount something without others seeing it."""
    return bool(os.environ.get(IN_NAMESPACE))


class Hosts:
    """Names of the servers, which can disappear; without a mount namespace, the servers have no names."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._names = names
        self._file = folder / "hosts"
        if has_namespace():
            self.restore()
            resolver = folder / "resolv.conf"
            resolver.write_text(RESOLVER)
            for file, target in ((self._file, "/etc/hosts"), (resolver, "/etc/resolv.conf")):
                subprocess.run(["mount", "--bind", str(file), target], check=True)

    def of(self, name: str) -> str:
        """Return the host by which processes reach a server."""
        return name if has_namespace() else "127.0.0.1"

    def restore(self) -> None:
        """Let all names resolve."""
        self._file.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *self._names)))

    def remove(self) -> None:
        """Let no name of a server resolve."""
        self._file.write_text("127.0.0.1 localhost\n")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """Mount a small file system in memory on a folder, and yield whether that is possible."""
    folder.mkdir(parents=True, exist_ok=True)
    if not has_namespace():
        yield False
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Clock:
    """The clock of processes that are started with its environment; it can be stepped if libfaketime is installed.

    At the end of the block, the shared memory that killed processes could not release is removed.
    """

    def __init__(self, folder: Path) -> None:
        self.offset = 0
        self._file = folder / "clock"
        found = sorted(Path("/usr/lib").glob(f"**/faketime/{LIBRARY}"))
        self.library = found[0] if found else None
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a process that is to have this clock."""
        if self.library is None:
            return {}
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Move the clock forwards, or backwards if negative; processes notice it within a second."""
        self.offset += seconds
        self._file.write_text(f"{self.offset:+d}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in left_shared_memory():
            file.unlink(missing_ok=True)


def left_shared_memory() -> list[Path]:
    """Return the shared memory and the semaphores of libfaketime whose processes have ended."""
    files = Path("/dev/shm").glob("*faketime_s*_*")  # faketime_shm_PID and sem.faketime_sem_PID
    return [file for file in files if not Path("/proc", file.name.rpartition("_")[2]).exists()]
