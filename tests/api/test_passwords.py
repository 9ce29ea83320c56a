"""Passwords: few hashes at once, as the memory limit allows, a short queue, and no hint of which accounts exist."""

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

from soundlift.common.auth.bounded_pool import BoundedPool
from soundlift.common.auth.passwords import DUMMY_HASH, hash_password, max_concurrency, password_matches
from soundlift.common.errors import Busy
from soundlift.common.process.memory_limit import memory_limit

DEADLINE_SECONDS = 30
MEBIBYTE = 2**20
UNLIMITED_VERSION_1 = str(2**63 - 4096)
OF_MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def occupied(pool: BoundedPool) -> Iterator[Callable[[], Future[str]]]:
    """Occupy the only thread of a pool, and yield what has one more call wait."""
    began, end = Event(), Event()

    def wait() -> bool:
        began.set()
        return end.wait(DEADLINE_SECONDS)

    with ThreadPoolExecutor() as callers:
        try:
            callers.submit(pool.run, wait)
            assert began.wait(DEADLINE_SECONDS)
            yield lambda: callers.submit(pool.run, str, "done")
        finally:
            end.set()


def pool_of_one(*, queue: int, wait_seconds: float) -> BoundedPool:
    return BoundedPool("test", threads=1, queue=queue, wait_seconds=wait_seconds, busy_message="Try again.")


def test_a_call_is_refused_when_it_cannot_begin_in_time() -> None:
    pool = pool_of_one(queue=1, wait_seconds=0.05)
    with occupied(pool) as call, pytest.raises(Busy) as refusal:
        call().result(DEADLINE_SECONDS)
    assert (refusal.value.detail, refusal.value.headers) == ("Try again.", {"Retry-After": "1"})
    assert pool.run(str, "again") == "again"


def test_a_call_is_refused_at_once_when_the_queue_is_full() -> None:
    pool = pool_of_one(queue=0, wait_seconds=DEADLINE_SECONDS)
    with occupied(pool) as call, pytest.raises(Busy):
        call().result(DEADLINE_SECONDS / 2)
    assert pool.run(str, "again") == "again"


def test_a_call_in_the_queue_is_made_when_a_thread_is_free() -> None:
    pool = pool_of_one(queue=1, wait_seconds=DEADLINE_SECONDS)
    with occupied(pool) as call:
        waiting = call()
    assert waiting.result(DEADLINE_SECONDS) == "done"


def test_a_call_is_made_with_its_arguments_in_a_thread_with_the_pool_s_name() -> None:
    pool = pool_of_one(queue=0, wait_seconds=DEADLINE_SECONDS)
    assert pool.run(int, "17", base=8) == 15
    assert pool.run(lambda: current_thread().name).startswith("test")


def test_a_call_that_takes_longer_than_the_queue_is_not_refused() -> None:
    began = Event()

    def slow() -> str:
        assert not began.wait(0.2)
        return "done"

    assert pool_of_one(queue=0, wait_seconds=0.01).run(slow) == "done"


FIRST_CALLS = """
import sys
from threading import Barrier, Thread, enumerate
from soundlift.common.errors import Busy
from soundlift.common.auth.passwords import password_matches

barrier = Barrier(32)

def call():
    barrier.wait()
    try:
        password_matches("correct horse", None)
    except Busy:
        pass

callers = [Thread(target=call) for _ in range(32)]
for caller in callers:
    caller.start()
most = 0
while any(caller.is_alive() for caller in callers):
    most = max(most, sum(thread.name.startswith("password") for thread in enumerate()))
print(most)
"""


def test_the_first_passwords_of_a_process_share_its_threads_when_they_come_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True, check=True)
    assert 1 <= int(ended.stdout) <= max_concurrency(memory_limit())


@pytest.mark.parametrize(
    ("mebibytes", "hashes"), [(None, 2), (0, 2), (64, 2), (128, 2), (192, 3), (255, 3), (256, 4), (10**6, 4)]
)
def test_the_memory_limit_decides_how_many_passwords_are_hashed_at_once(mebibytes: int | None, hashes: int) -> None:
    assert max_concurrency(None if mebibytes is None else mebibytes * MEBIBYTE) == hashes


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/", {"memory.max": "268435456\n"}, 256 * MEBIBYTE),
        ("0::/", {"memory.max": "max\n"}, OF_MACHINE),
        ("0::/a/b", {"a/memory.max": "1048576", "a/b/memory.max": "max", "memory.max": "2097152"}, MEBIBYTE),
        ("0::/a/b", {"a/memory.max": "2097152", "a/b/memory.max": "1048576"}, MEBIBYTE),
        ("0::/../outside", {"memory.max": "1048576"}, MEBIBYTE),
        ("4:cpu,memory:/docker/1f", {"memory/memory.limit_in_bytes": "1048576"}, MEBIBYTE),
        ("4:memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "1048576"}, MEBIBYTE),
        ("4:memory:/", {"memory/memory.limit_in_bytes": UNLIMITED_VERSION_1}, OF_MACHINE),
        ("not a line of it", {}, OF_MACHINE),
        (None, {}, OF_MACHINE),
    ],
)
def test_the_memory_limit_is_the_least_of_all_cgroups_around_the_process(
    tmp_path: Path, cgroup: str | None, files: dict[str, str], limit: int
) -> None:
    if cgroup is not None:
        _write(tmp_path / "proc/self/cgroup", cgroup + "\n")
    for name, text in files.items():
        _write(tmp_path / "sys/fs/cgroup" / name, text)
    assert memory_limit(tmp_path) == limit


def test_an_account_that_does_not_exist_costs_one_hash_like_any_other() -> None:
    assert argon2.extract_parameters(DUMMY_HASH) == argon2.extract_parameters(hash_password("correct horse"))
    assert not password_matches("correct horse", None)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
