"""A sandbox for programs that read files from strangers: what they may use, enforced by the Linux kernel."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from subprocess import DEVNULL, PIPE
from threading import Timer
from typing import Any

import structlog

from soundlift.common.errors import SettingError
from soundlift.common.process.ffmpeg import binary
from soundlift.common.process.process_group import process_group
from soundlift.common.process.sandbox import launcher  # which compiles it, for images that write no bytecode
from soundlift.common.process.sandbox.connections import Connections
from soundlift.common.process.sandbox.forked_programs import ROOT, CannotFork, ForkedProgram, start_forked
from soundlift.common.process.sandbox.kernel import filters_system_calls, landlock_version

LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
LOADER_FILES = ("/etc/ld.so.cache", "/etc/ld.so.preload")
LOADERS = ("lib*/ld-*.so*", "lib/*/ld-*.so*")
DEVICES = ("/dev/null", "/dev/random", "/dev/urandom")
LAUNCHER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from {} import main; main()"

log = structlog.get_logger()


@dataclass(frozen=True)
class Access:
    """What a confined program may use, apart from the files that it inherits: the files in a folder, and a server."""

    folder: Path | None = None
    server: tuple[str, int] | None = None


Limits = Mapping[int, tuple[int, int]]
"""The soft and the hard limit for each RLIMIT_ number of the module `resource`."""

TRIAL_SECONDS = 60
TRIAL_ACCESS = Access(server=("127.0.0.1", 0))  # to which it does not connect
NO_ENVIRONMENT: Mapping[str, str] = {}

Program = ForkedProgram | subprocess.Popen[bytes]


class Sandbox:
    """A starter of programs with limits; `confines` means that they also get access only to what they are given."""

    def __init__(self, *, confines: bool) -> None:
        self.confines = confines

    def start(
        self,
        command: Sequence[str],
        limits: Limits,
        access: Access,
        *,
        pass_fds: Sequence[int] = (),
        env: Mapping[str, str] = NO_ENVIRONMENT,
        **streams: int,
    ) -> tuple[Program, Connections | None]:
        """Start a program, given by its path and its arguments, with an environment and the standard streams of Popen.

        The program is in the group of processes that end with this one. The connections, if it may use a server, are to
        be closed when it has ended. On other systems than Linux, the program has neither limits nor a sandbox. Raises
        OSError.
        """
        if sys.platform != "linux":
            group = process_group()
            return subprocess.Popen(command, pass_fds=pass_fds, env=env, process_group=group, **streams), None
        connections = Connections(access.server) if self.confines and access.server else None
        descriptors = [connections.descriptor] if connections else []
        words = [*_limit_words(limits), *(self._access_words(command[0], access, descriptors))]
        words += [launcher.COMMAND, "", *command]
        try:
            process = _launch(words, pass_fds=[*pass_fds, *descriptors], env=env, **streams)
        finally:
            if connections:
                connections.release()
        return process, connections

    def _access_words(self, program: str, access: Access, descriptors: Sequence[int]) -> Iterator[str]:
        if not self.confines:
            return
        runnable, readable = _system_files()
        words = [("run", program), *(("run", path) for path in runnable), *(("read", path) for path in readable)]
        words += [("create", str(access.folder))] if access.folder else []
        words += [("server", str(descriptor)) for descriptor in descriptors]
        yield from chain.from_iterable(words)


def _launch(words: Sequence[str], *, env: Mapping[str, str], **options: Any) -> Program:
    """Start a program as the launcher's arguments describe it: in a fork, or in a Python of its own."""
    try:
        return start_forked(words, env=env, **options)
    except CannotFork:
        launch = [sys.executable, "-I", "-S", "-c", LAUNCHER.format(launcher.__name__), str(ROOT)]
        return subprocess.Popen([*launch, *words], env=env, process_group=process_group(), **options)


@cache
def open_sandbox(mode: str) -> Sandbox:
    """Return the sandbox of a mode of the setting SANDBOX, and log whether it confines FFmpeg.

    Raises SettingError if the mode is `required` and FFmpeg cannot be started in a sandbox on this system.
    """
    missing = "" if mode == "off" else _missing()
    if missing and mode == "required":
        raise SettingError(f"Setting SANDBOX: a sandbox is required, but {missing}.", setting="SANDBOX")
    sandbox = Sandbox(confines=mode != "off" and not missing)
    if sandbox.confines:
        log.info("ffmpeg is confined")
    else:
        log.warning("ffmpeg is not confined", reason=missing or "SANDBOX=off")
    return sandbox


def _missing() -> str:
    """Return what the system lacks for a sandbox, or an empty text."""
    if sys.platform != "linux":
        return "only Linux supports it"
    if not landlock_version():
        return "the kernel, or the container's seccomp profile, does not offer Landlock"
    if not filters_system_calls():
        return "the kernel, or the processor architecture, does not offer seccomp notifications"
    return _trial_error()


def _trial_error() -> str:
    """Return why FFmpeg does not start in a sandbox, or an empty text.

    Only a start shows that its libraries can be read, that it is no script, and that no listener of a container manager
    for system calls is in the way, of which a process can have one. A conversion would fail again and again instead.
    """
    try:
        process, connections = Sandbox(confines=True).start(
            [binary(), "-version"], {}, TRIAL_ACCESS, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
    except (OSError, RuntimeError) as error:
        return f"FFmpeg cannot be started: {error}"
    timer = Timer(TRIAL_SECONDS, process.kill)
    timer.start()
    assert process.stderr is not None
    with process:
        output = process.stderr.read()
    timer.cancel()
    if connections:
        connections.close()
    reason = output.decode(errors="replace").strip() or f"it ends with status {process.returncode}"
    return f"FFmpeg does not start in one: {reason}" if process.returncode else ""


def _limit_words(limits: Limits) -> Iterator[str]:
    for number, (soft, hard) in limits.items():
        yield from ("limit", f"{number}:{_capped(number, soft)}:{_capped(number, hard)}")


def _capped(number: int, requested: int) -> int:
    """Return the requested limit, or the hard limit if that is lower: only a privileged process may raise it."""
    hard = resource.getrlimit(number)[1]
    return requested if hard == resource.RLIM_INFINITY else min(requested, hard)


@cache
def _system_files() -> tuple[list[str], list[str]]:
    """Return the loaders of dynamic libraries, and the other files that a program may need to start."""
    loaders = {str(path) for pattern in LOADERS for path in Path("/").glob(pattern)}
    return sorted(loaders), [path for path in (*LIBRARIES, *LOADER_FILES, *DEVICES) if Path(path).exists()]
