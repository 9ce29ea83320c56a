"""A confined program uses its own folder and one server; each other way out is open without the sandbox.

A Python program performs each action with and without a sandbox, so a test fails if nothing had to prevent the action.
tests/convert/test_ffmpeg_sandbox.py does the same with FFmpeg.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest

from soundlift.common.process.sandbox.connections import Connections
from soundlift.common.process.sandbox.kernel import filters_system_calls, landlock_version
from soundlift.common.process.sandbox.sandbox import Access, Limits, Program, Sandbox

pytestmark = pytest.mark.slow

Started = tuple[Program, Connections | None]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these limits")
confined = pytest.mark.skipif(
    not (sys.platform == "linux" and landlock_version() and filters_system_calls()),
    reason="needs Landlock and seccomp notifications",
)
PYTHON = os.path.realpath(sys.executable)  # not a link, from which it would not find its libraries
OUTCOME = "\ntry:\n {}\nexcept OSError as error:\n print(type(error).__name__)\nelse:\n print('done')\n"
IMPORTS = "import ctypes, fcntl, os, resource, socket, struct, sys, threading; FILE, PARENT = sys.argv[1], os.getppid()"

FILES = {
    "reads another file": "open(FILE).read()",
    "writes another file": "open(FILE, 'a').close()",
    "creates a file elsewhere": "open(FILE + '.new', 'w').close()",
    "truncates another file": "os.truncate(FILE, 0)",
    "deletes another file": "os.unlink(FILE + '.other')",
    "links to another file": "os.link(FILE, FILE + '.link')",
    "lists another folder": "os.listdir(os.path.dirname(FILE))",
    "changes the mode of another file": "os.chmod(FILE, 0o777)",
    "changes the times of another file": "os.utime(FILE)",
    "renames another file": "os.rename(FILE, FILE + '.renamed')",
}
PROCESSES = {
    "reads the secrets of its parent": "open(f'/proc/{PARENT}/environ').read()",
    "signals its parent": "os.kill(PARENT, 0)",
    "lets its parent be signalled when a file is ready": "fcntl.fcntl(1, fcntl.F_SETOWN, PARENT)",
    "the same by another operation": "fcntl.fcntl(1, 15, struct.pack('=ii', 1, PARENT))",
    "limits its parent": "resource.prlimit(PARENT, resource.RLIMIT_CORE, resource.prlimit(PARENT, 4))",
    "slows its parent": "os.setpriority(os.PRIO_PROCESS, PARENT, os.getpriority(os.PRIO_PROCESS, PARENT))",
    "starts a process": "os.fork() or os._exit(0)",
    "leaves its process group": "os.setsid()",
    "executes another program": "os.execv('/bin/echo', ['echo', 'done'])",
}
SOCKETS = {
    "opens a UDP socket": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "opens an IPv6 socket": "socket.socket(socket.AF_INET6)",
    "opens a Unix socket": "socket.socket(socket.AF_UNIX)",
    "opens a pair of sockets": "socket.socketpair()",
    "opens a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
}
TCP = {
    "opens a TCP socket": "socket.socket()",
    "connects": "socket.create_connection(('127.0.0.1', int(FILE)))",
}


def _start(code: str, *arguments: str, confines: bool, server: tuple[str, int] | None = None) -> Started:
    """Start a Python program; its own folder is that of Python, which it needs in order to start."""
    command = [PYTHON, "-I", "-S", "-u", "-c", f"{IMPORTS}\n{code}", *arguments]
    access = Access(Path(sys.base_prefix), server)
    return Sandbox(confines=confines).start(command, {}, access, stdout=PIPE)


def _output(process: Program) -> bytes:
    """Return what a program prints until it ends."""
    assert process.stdout is not None
    with process:
        return process.stdout.read()


def _run(code: str, *arguments: str, confines: bool, server: tuple[str, int] | None = None) -> str:
    """Return what a Python program prints."""
    process, connections = _start(code, *arguments, confines=confines, server=server)
    output = _output(process)
    if connections is not None:
        connections.close()
        assert connections.error is None
    return output.decode().strip()


def _outcomes(actions: dict[str, str], argument: str, *, confines: bool) -> dict[str, str]:
    """Return the outcome of each action, which one program performs one after another."""
    lines = _run("".join(map(OUTCOME.format, actions.values())), argument, confines=confines).splitlines()
    return dict(zip(actions, lines, strict=True))


@pytest.fixture(scope="module")
def crossings(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, dict[str, str]]:
    """Return the outcomes with and without a sandbox of actions on a file outside the program's own folder."""
    folder = tmp_path_factory.mktemp("other")
    file, other = folder / "secret", folder / "secret.other"
    outcomes = {}
    for confines in (True, False):
        file.write_text("secret")
        other.write_text("secret")
        outcomes[confines] = _outcomes(SOCKETS | FILES | PROCESSES, str(file), confines=confines)
        assert not confines or [path.read_text() for path in folder.iterdir()] == ["secret"] * 2
    return outcomes


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@confined
@pytest.mark.parametrize("action", [*FILES, *PROCESSES, *SOCKETS])
def test_nothing_but_a_sandbox_prevents_that_a_program(crossings: dict[bool, dict[str, str]], action: str) -> None:
    assert crossings[True][action] == "PermissionError"
    assert crossings[False][action] == "done"


@confined
def test_nothing_but_a_sandbox_prevents_that_a_program_without_a_server_connects(listener: socket.socket) -> None:
    port = str(listener.getsockname()[1])
    assert set(_outcomes(TCP, port, confines=True).values()) == {"PermissionError"}
    assert set(_outcomes(TCP, port, confines=False).values()) == {"done"}


@confined
def test_a_program_with_a_server_opens_no_other_sockets(listener: socket.socket) -> None:
    output = _run("".join(map(OUTCOME.format, SOCKETS.values())), "", confines=True, server=listener.getsockname())
    assert output.splitlines() == ["PermissionError"] * len(SOCKETS)


@confined
@pytest.mark.parametrize("confines", [True, False])
def test_a_program_with_a_server_reaches_it_at_any_address_and_nothing_else(
    listener: socket.socket, confines: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        code = """
with socket.create_connection(("127.0.0.1", int(FILE))) as connection:
    connection.sendall(b"from the program")
"""
        output = _run(code, str(other.getsockname()[1]), confines=confines, server=listener.getsockname())
        assert output == ""
        if confines:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(100) == b"from the program"
            with pytest.raises(BlockingIOError):
                other.accept()
        else:
            other.accept()[0].close()


@confined
@pytest.mark.parametrize("confines", [True, False])
def test_a_program_does_not_let_its_parent_be_signalled_when_its_server_sends(
    listener: socket.socket, confines: bool
) -> None:
    address = listener.getsockname()
    actions = [f"fcntl.ioctl(connection, {request}, struct.pack('=i', PARENT))" for request in (0x8901, 0x8902)]
    code = f"connection = socket.create_connection({address}){''.join(map(OUTCOME.format, actions))}"
    output = _run(code, "", confines=confines, server=address)
    assert output.split() == ["PermissionError" if confines else "done"] * 2


@confined
def test_a_program_makes_several_connections_to_its_server_at_a_time(listener: socket.socket) -> None:
    code = "print([socket.create_connection(('127.0.0.1', 1)).recv(9) for _ in range(3)])"

    def answer() -> None:
        for _ in range(3):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"hello")

    thread = threading.Thread(target=answer)
    thread.start()
    assert _run(code, "", confines=True, server=listener.getsockname()) == str([b"hello"] * 3)
    thread.join()


@confined
def test_a_program_makes_no_more_connections_than_it_may_have_open_files(listener: socket.socket) -> None:
    code = """
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
connections = []
try:
    while True:
        connections.append(socket.create_connection(("127.0.0.1", 1)))
except OSError as error:
    print(len(connections) < 20, error.strerror)
"""
    output = _run(code, "", confines=True, server=listener.getsockname())
    assert output == "True Too many open files"


@confined
def test_a_connection_that_fails_is_reported_to_the_program_and_to_its_starter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server = closed.getsockname()
    process, connections = _start(OUTCOME.format("socket.socket()"), "", confines=True, server=server)
    assert connections is not None
    with closing(connections):
        assert _output(process) == b"ConnectionRefusedError\n"
    assert isinstance(connections.error, ConnectionRefusedError)


@confined
def test_a_confined_program_may_use_threads_its_own_files_and_abort(tmp_path: Path) -> None:
    code = "threading.Thread(target=print, args=['done']).start()"
    assert _run(code, "", confines=True) == "done"
    access = Access(Path(sys.base_prefix))
    process, _ = Sandbox(confines=True).start([PYTHON, "-I", "-S", "-c", "import os; os.abort()"], {}, access)
    assert process.wait() == -6


@confined
def test_the_filter_alone_prevents_that_a_process_aborts_another_one() -> None:
    """Landlock does so too, but only since version 6."""
    code = """
import sys
from soundlift.common.process.sandbox.kernel import call, give_up_privileges, machine
from soundlift.common.process.sandbox.seccomp import ARCHITECTURES, TGKILL, install_filter

tgkill, other = TGKILL[list(ARCHITECTURES).index(machine())], int(sys.argv[1])
give_up_privileges()
install_filter(has_server=False)
try:
    call(tgkill, other, other, 6)
except PermissionError:
    print("not permitted")
"""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=PIPE) as other:
        command = [sys.executable, "-c", code, str(other.pid)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        other.communicate(b"\n", timeout=60)
    assert (ended.stdout, other.returncode) == ("not permitted\n", 0)


@on_linux
def test_no_limit_is_above_the_hard_limit_of_the_process_that_starts_a_program() -> None:
    code = f"""
import resource, sys
from pathlib import Path
from soundlift.common.process.sandbox.connections import Connections
from soundlift.common.process.sandbox.kernel import filters_system_calls, landlock_version
from soundlift.common.process.sandbox.sandbox import Access, Sandbox
resource.setrlimit(resource.RLIMIT_CPU, (70, 70))
show = "import resource; print(resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_FSIZE))"
limits = {{resource.RLIMIT_CPU: (50, 100), resource.RLIMIT_FSIZE: (10**6, 10**7)}}
process, _ = Sandbox(confines=False).start(["{PYTHON}", "-I", "-S", "-c", show], limits, Access())
process.wait()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "(50, 70) (1000000, 10000000)"


@on_linux
@pytest.mark.parametrize(
    ("command", "limits"),
    [(["/nowhere/program"], {}), ([PYTHON, "-c", "print('started')"], {resource.RLIMIT_CPU: (2**70, 2**70)})],
)
def test_a_program_that_cannot_be_started_with_its_limits_is_not_started(command: list[str], limits: Limits) -> None:
    process, _ = Sandbox(confines=False).start(command, limits, Access(), stdout=PIPE, stderr=PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    assert (_output(process), process.wait()) == (b"", 126)
    assert errors.startswith(b"The program cannot be started with its limits: ")


def test_a_system_without_these_limits_executes_the_program_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    process, _ = Sandbox(confines=False).start([PYTHON, "-c", "print('started')"], {}, Access(), stdout=PIPE)
    assert isinstance(process, subprocess.Popen)
    assert process.args == [PYTHON, "-c", "print('started')"]
    assert _output(process) == b"started\n"
