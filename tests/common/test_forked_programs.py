"""Programs that the fork server starts are like those that subprocess starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from soundlift.common.process.sandbox.sandbox import Access, Program, Sandbox
from tests.common.test_sandbox import confined

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no fork server")


def _started(*command: str, **options: int) -> Program:
    return Sandbox(confines=False).start(command, {}, Access(), stdout=PIPE, **options)[0]


def _printed(process: Program) -> str:
    assert process.stdout is not None
    with process:
        return process.stdout.read().decode().strip()


def _servers() -> list[int]:
    """Return the fork servers of this process."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split()]
    return [pid for pid in pids if b"fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_program_is_a_child_of_this_process_without_its_environment() -> None:
    assert _printed(_started("/bin/sh", "-c", "echo $PPID; env | grep -c HOME")) == f"{os.getpid()}\n0"


def test_a_program_inherits_only_the_descriptors_that_it_is_given() -> None:
    with Path(os.devnull).open() as other, Path(os.devnull).open() as given:
        os.set_inheritable(other.fileno(), True)
        command = ("/bin/sh", "-c", "ls /proc/$$/fd")
        process, _ = Sandbox(confines=False).start(command, {}, Access(), stdout=PIPE, pass_fds=[given.fileno()])
        assert {*_printed(process).split()} == {"0", "1", "2", str(given.fileno())}


def test_programs_have_their_own_statuses_also_if_threads_start_them() -> None:
    with ThreadPoolExecutor(8) as pool:
        processes = list(pool.map(lambda status: _started("/bin/sh", "-c", f"exit {status}"), range(24)))
    for status, process in enumerate(processes):
        with process:
            assert process.wait() == status


def test_a_program_has_the_usual_signals_and_ends_by_each() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        with _started("/bin/sh", "-c", "echo started; exec sleep 60") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            process.send_signal(number)
            assert process.wait() == -number
            process.kill()  # which does nothing anymore


def test_a_killed_fork_server_is_replaced_while_its_programs_run_on() -> None:
    read, write = os.pipe()
    earlier = _started("/bin/sh", "-c", "echo ready; read line; echo $line", stdin=read)
    os.close(read)
    assert earlier.stdout is not None
    assert earlier.stdout.readline() == b"ready\n"
    (server,) = _servers()
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    assert _printed(_started("/bin/echo", "later")) == "later"
    assert _servers() not in ([], [server])
    with os.fdopen(write, "w") as pipe:
        pipe.write("earlier\n")
    assert _printed(earlier) == "earlier"


def test_a_fork_server_that_does_not_answer_is_replaced() -> None:
    code = f"""
import errno, os, signal
from soundlift.common.process.sandbox import forked_programs
from soundlift.common.process.sandbox.sandbox import Access, Sandbox
def printed(word):
    with Sandbox(confines=False).start(["/bin/echo", word], {{}}, Access(), stdout={PIPE})[0] as process:
        return process.stdout.read().decode().strip()
def stop():
    assert printed("started") == "started"
    (server,) = forked_programs._servers
    os.kill(server._process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server._process.pid, os.WSTOPPED)
def interrupt(*_):
    raise KeyboardInterrupt
stop()
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    printed("interrupted")
except KeyboardInterrupt:
    forked_programs.ANSWER_SECONDS = 1  # within which a new server must have started
stop()
forked_programs.ANSWER_SECONDS = 60
try:
    printed("late")
except OSError as error:
    print(error.errno == errno.EAGAIN, printed("later"))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout.strip() == "True later", ended.stderr


def test_a_word_cannot_become_two() -> None:
    with pytest.raises(ValueError, match="null byte"):
        _started("/bin/echo", "one\0two")


def test_a_forked_process_has_a_fork_server_of_its_own() -> None:
    code = f"""
import os
from soundlift.common.process.sandbox.sandbox import Access, Sandbox
def printed():
    with Sandbox(confines=False).start(["/bin/sh", "-c", "echo $PPID"], {{}}, Access(), stdout={PIPE})[0] as process:
        return int(process.stdout.read())
assert printed() == os.getpid()
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
assert printed() == os.getpid()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_starts_leave_no_descriptors_behind_and_the_server_knows_no_secrets() -> None:
    def counts() -> list[int]:
        return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), *_servers())]

    assert _printed(_started("/bin/echo", "1")) == "1"
    before = counts()
    for _ in range(100):
        _printed(_started("/bin/true"))
    assert counts() == before
    assert [Path(f"/proc/{server}/environ").read_bytes() for server in _servers()] == [b""]


@confined
def test_programs_start_also_where_the_fork_server_may_not_fork() -> None:
    code = f"""
from soundlift.common.process.sandbox.kernel import CLONE_PARENT, give_up_privileges
from soundlift.common.process.sandbox.sandbox import Access, Sandbox
from soundlift.common.process.sandbox.seccomp import ALLOW, ANY_BIT, ARGUMENTS, CLONE, EQUAL, LOAD, RETURN, install

give_up_privileges()
refuse = (RETURN, 0, 0, 0x50016)  # EINVAL
tests = [step for number in CLONE for step in ((EQUAL, 0, 3, number), (LOAD, 0, 0, ARGUMENTS),
         (ANY_BIT, 0, 1, CLONE_PARENT), refuse, (LOAD, 0, 0, 0))]
install([(LOAD, 0, 0, 0), *tests, (RETURN, 0, 0, ALLOW)])
process, _ = Sandbox(confines=True).start(["/bin/echo", "started"], {{}}, Access(), stdout={PIPE}, stdin={DEVNULL})
with process:
    print(type(process).__name__, process.stdout.read(), process.wait())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout.strip() == r"Popen b'started\n' 0", ended.stderr
