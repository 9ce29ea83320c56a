"""Measures the memory and the latency of login under parallel sign-ins; by itself: `python -m bench.logins 16 64`.

A row has the peak memory of the process that answers. By itself, the module also prints its memory ten seconds
later, the latency of sign-ins that succeed, and how many were refused.
"""

from __future__ import annotations

import statistics
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Barrier, Thread
from urllib.parse import urlsplit

from bench.comparison import Goal, Result, Row, Sample
from bench.processes import Gunicorn, peak_mb, resident_mb, served
from bench.stage import OWNER, stage
from soundlift.common.auth.passwords import hash_password
from tests.deploy.manifests import memory_environment_of_images

APPLICATION = "functions.login.handler:app"
PASSWORD = "a password of the bench"
ROUNDS = 5
PARALLEL = 64
MEBIBYTES_IN_STACK = 256  # limits.memory of login in stack.yml
PATIENCE_SECONDS = 120
PAUSE_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """One answer to a sign-in: its status, and the seconds from the connection to the last byte."""

    status: int
    seconds: float


@dataclass(frozen=True)
class Figures:
    """What one server of login did: memory in MB, and every answer."""

    idle: float
    peak: float
    later: float
    answers: list[Answer]


def memory(row: Row) -> Result:
    """Return the peak memory at 64 parallel sign-ins; beside it, the peak after a single one."""
    many, single = sign_ins(PARALLEL), sign_ins(1)
    return Result(row, Sample(many.peak, many.peak), Sample(single.peak, single.peak), many.peak / single.peak)


def sign_ins(parallel: int, *, pause: float = 0) -> Figures:
    """Sign in a number of times at once, for some rounds, at a server of login that has answered one before."""
    with stage(LOG_LEVEL="error", **memory_environment_of_images()) as place:
        place.services.users.add(OWNER, hash_password(PASSWORD))
        with served(APPLICATION, place.environment) as server:
            assert _sign_in(server).status == 200
            idle = resident_mb(server.worker)
            answers = [answer for _ in range(ROUNDS) for answer in _at_once(server, parallel)]
            peak = peak_mb(server.worker)
            time.sleep(pause)
            return Figures(idle, peak, resident_mb(server.worker), answers)


def _at_once(server: Gunicorn, parallel: int) -> list[Answer]:
    answers: list[Answer] = []
    ready = Barrier(parallel)

    def sign_in() -> None:
        ready.wait()
        answers.append(_sign_in(server))

    threads = [Thread(target=sign_in) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _sign_in(server: Gunicorn) -> Answer:
    address = urlsplit(server.url)
    headers = {"Authorization": f"Basic {b64encode(f'{OWNER}:{PASSWORD}'.encode()).decode()}"}
    begun = time.perf_counter()
    connection = HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE_SECONDS)
    connection.request("POST", "/", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return Answer(answer.status, time.perf_counter() - begun)


def main() -> None:
    """Print a line for each number of parallel sign-ins."""
    print("parallel    idle    peak  10 s later, MB     p50  p99, s   200   429  else")
    for parallel in map(int, sys.argv[1:] or ("16", str(PARALLEL))):
        print(_line_of(parallel, sign_ins(parallel, pause=PAUSE_SECONDS)), flush=True)


def _line_of(parallel: int, found: Figures) -> str:
    cuts = statistics.quantiles([answer.seconds for answer in found.answers if answer.status == 200], n=100)
    signed_in, refused = (sum(answer.status == status for answer in found.answers) for status in (200, 429))
    memory = f"{parallel:>8}{found.idle:>8.0f}{found.peak:>8.0f}{found.later:>16.0f}"
    other = len(found.answers) - signed_in - refused
    return f"{memory}{cuts[49]:>8.2f}{cuts[98]:>8.2f}{signed_in:>6}{refused:>6}{other:>6}"


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("login-memory", "MB", Goal(MEBIBYTES_IN_STACK * 2**20 / 1e6, of="ours")): memory,
}

if __name__ == "__main__":
    main()
