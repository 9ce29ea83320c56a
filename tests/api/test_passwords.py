"""Password hashing: concurrency by the memory limit, a short queue, and no hint of which accounts exist."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, current_thread

import argon2
import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for_success
from soundlift.common.auth.bounded_pool import BoundedPool
from soundlift.common.auth.passwords import Match, Passwords, max_concurrency
from soundlift.common.errors import Busy
from soundlift.common.process.memory_limit import memory_limit
from soundlift.common.settings import Settings

MEBIBYTE = 2**20
HASH_BYTES = Settings.password_memory_kib * 1024
UNLIMITED_VERSION_1 = str(2**63 - 4096)
MACHINE_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def occupied(pool: BoundedPool) -> Iterator[Callable[[], Future[str]]]:
    """Occupy the only thread of a pool, and yield a function that submits one more call."""
    started, end = Event(), Event()

    def wait() -> bool:
        started.set()
        return end.wait(DEADLINE_SECONDS)

    with ThreadPoolExecutor() as callers:
        try:
            callers.submit(pool.run, wait)
            assert started.wait(DEADLINE_SECONDS)
            yield lambda: callers.submit(pool.run, str, "done")
        finally:
            end.set()


def single_thread_pool(*, queue: int, wait_seconds: float) -> BoundedPool:
    return BoundedPool("test", threads=1, queue=queue, wait_seconds=wait_seconds, busy_message="Try again.")


def run_once_it_can_start(pool: BoundedPool, call: Callable[[], str]) -> str:
    """Run a call; on a busy machine, even a free thread may not start it in time."""
    return wait_for_success(lambda: pool.run(call), Busy, "the call starts in time")


def test_a_call_that_cannot_start_in_time_is_rejected() -> None:
    pool = single_thread_pool(queue=1, wait_seconds=0.05)
    with occupied(pool) as call, pytest.raises(Busy) as raised:
        call().result(DEADLINE_SECONDS)
    assert (raised.value.detail, raised.value.headers) == ("Try again.", {"Retry-After": "1"})
    assert run_once_it_can_start(pool, lambda: "again") == "again"


def test_a_call_is_rejected_immediately_if_the_queue_is_full() -> None:
    pool = single_thread_pool(queue=0, wait_seconds=DEADLINE_SECONDS)
    with occupied(pool) as call, pytest.raises(Busy):
        call().result(DEADLINE_SECONDS / 2)
    assert pool.run(str, "again") == "again"


def test_a_queued_call_runs_when_a_thread_becomes_free() -> None:
    pool = single_thread_pool(queue=1, wait_seconds=DEADLINE_SECONDS)
    with occupied(pool) as call:
        waiting = call()
    assert waiting.result(DEADLINE_SECONDS) == "done"


def test_a_call_runs_with_its_arguments_in_a_thread_of_the_pool() -> None:
    pool = single_thread_pool(queue=0, wait_seconds=DEADLINE_SECONDS)
    assert pool.run(int, "17", base=8) == 15
    assert pool.run(lambda: current_thread().name).startswith("test")


def test_a_running_call_may_take_longer_than_the_maximum_wait() -> None:
    never_set = Event()

    def slow() -> str:
        assert not never_set.wait(0.2)
        return "done"

    assert run_once_it_can_start(single_thread_pool(queue=0, wait_seconds=0.01), slow) == "done"


FIRST_CALLS = """
import sys
from threading import Barrier, Thread, enumerate
from soundlift.common.errors import Busy
from soundlift.common.auth.passwords import Passwords
from soundlift.common.settings import Settings

barrier = Barrier(32)

def call():
    barrier.wait()
    try:
        Passwords(Settings()).verify("correct horse", None)
    except Busy:
        pass

callers = [Thread(target=call) for _ in range(32)]
for caller in callers:
    caller.start()
highest = 0
while any(caller.is_alive() for caller in callers):
    highest = max(highest, sum(thread.name.startswith("password") for thread in enumerate()))
print(highest)
"""


def test_concurrent_first_calls_of_a_process_share_one_pool() -> None:
    ended = subprocess.run([sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True, check=True)
    assert 1 <= int(ended.stdout) <= max_concurrency(memory_limit(), HASH_BYTES, os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("mebibytes", "hash_mebibytes", "hashes"),
    [
        *((None, 19, 2), (0, 19, 1), (64, 19, 1), (128, 19, 2), (192, 19, 3), (255, 19, 3), (256, 19, 4)),
        *((10**6, 19, 4), (256, 64, 2), (256, 256, 1)),
    ],
)
def test_the_memory_limit_and_the_cores_determine_the_number_of_concurrent_hashes(
    mebibytes: int | None, hash_mebibytes: int, hashes: int
) -> None:
    limit = None if mebibytes is None else mebibytes * MEBIBYTE
    assert max_concurrency(limit, hash_mebibytes * MEBIBYTE, cores=64) == hashes
    assert max_concurrency(limit, hash_mebibytes * MEBIBYTE, cores=2) == min(hashes, 2)


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/", {"memory.max": "268435456\n"}, 256 * MEBIBYTE),
        ("0::/", {"memory.max": "max\n"}, MACHINE_MEMORY),
        ("0::/a/b", {"a/memory.max": "1048576", "a/b/memory.max": "max", "memory.max": "2097152"}, MEBIBYTE),
        ("0::/a/b", {"a/memory.max": "2097152", "a/b/memory.max": "1048576"}, MEBIBYTE),
        ("0::/../outside", {"memory.max": "1048576"}, MEBIBYTE),
        ("4:cpu,memory:/docker/1f", {"memory/memory.limit_in_bytes": "1048576"}, MEBIBYTE),
        ("4:memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "1048576"}, MEBIBYTE),
        ("4:memory:/", {"memory/memory.limit_in_bytes": UNLIMITED_VERSION_1}, MACHINE_MEMORY),
        ("not a line of a cgroup file", {}, MACHINE_MEMORY),
        (None, {}, MACHINE_MEMORY),
    ],
)
def test_the_memory_limit_is_the_lowest_of_all_enclosing_cgroups(
    tmp_path: Path, cgroup: str | None, files: dict[str, str], limit: int
) -> None:
    if cgroup is not None:
        _write(tmp_path / "proc/self/cgroup", cgroup + "\n")
    for name, text in files.items():
        _write(tmp_path / "sys/fs/cgroup" / name, text)
    assert memory_limit(tmp_path) == limit


def test_the_dummy_hash_takes_as_much_work_as_a_real_one() -> None:
    passwords = Passwords(Settings(password_memory_kib=8 * 1024, password_passes=3))
    real = passwords.hash("correct horse")
    assert argon2.extract_parameters(passwords.dummy_hash) == argon2.extract_parameters(real)
    assert passwords.verify("correct horse", None) is Match.NONE


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
