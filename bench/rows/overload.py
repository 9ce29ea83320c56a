"""Measures the memory of upload and convert while, for two minutes, ten times as many clients call them as they admit.

Each upload has a body that arrives over half a second. A client that is refused repeats its request when `Retry-After`
says. Accepted jobs are converted by repeated events, and those in excess are deleted, so that the disk does not fill.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from statistics import median
from threading import Event
from urllib.parse import urlsplit

import urllib3

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.pair import NO_QUOTA
from bench.harness.processes import Gunicorn, resident_mb, served
from bench.inputs.clips import clip
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.events import event_for, to_http
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import Job

SECONDS = 120
HALF_MINUTE = 30
PRINT_SECONDS = 10
OVERLOAD = 10
ADMITTED = {"upload": 32, "convert": 2}  # THREADS and CONVERT_CONCURRENCY
BLOCKS, BLOCK_SECONDS = 10, 0.05
CLIP_SECONDS = 10
KEPT_JOBS = 50  # that wait for conversion
TIMEOUT_SECONDS = 60

Samples = list[tuple[float, dict[str, float]]]


def overload(row: Row) -> Result:
    """Compare each function's memory in the last half minute with that in the second; the one that grew more counts."""
    samples, answers = _run()
    for name in ADMITTED:
        peak = max(memory[name] for _, memory in samples)
        counts = ", ".join(f"{count} × {status}" for status, count in sorted(answers[name].items()))
        print(f"  {name}: peak {peak:.1f} MB; responses: {counts}")
    early, late = (_medians(samples, since) for since in (HALF_MINUTE, SECONDS - HALF_MINUTE))
    worst = max(ADMITTED, key=lambda name: late[name] / early[name])
    return Result(row, Sample(late[worst]), Sample(early[worst]), late[worst] / early[worst])


def _medians(samples: Samples, since: float) -> dict[str, float]:
    """Return the median of each function's memory in the half minute that begins at a time."""
    within = [memory for at, memory in samples if since <= at < since + HALF_MINUTE]
    return {name: median(memory[name] for memory in within) for name in ADMITTED}


def _run() -> tuple[Samples, dict[str, Counter[int]]]:
    settings = {"THREADS": str(ADMITTED["upload"]), "CONVERT_CONCURRENCY": str(ADMITTED["convert"])}
    answers: dict[str, Counter[int]] = {name: Counter() for name in ADMITTED}
    with temporary_deployment(**NO_QUOTA, **settings, LOG_LEVEL="error") as deployment, ExitStack() as stack:
        functions = {
            name: stack.enter_context(served(f"functions.{name}.handler:app", deployment.environment))
            for name in ADMITTED
        }
        with _background(
            partial(_upload_all, deployment, functions["upload"].url, answers["upload"]),
            partial(_delete_excess, deployment),
            *[partial(_convert, deployment, functions["convert"].url, answers["convert"])]
            * (OVERLOAD * ADMITTED["convert"]),
        ):
            return _sample(functions), answers


@contextmanager
def _background(*works: Callable[[Event], None]) -> Iterator[None]:
    ended = Event()
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work, ended) for work in works]
        try:
            yield
        finally:
            ended.set()
        for each in running:
            each.result()


def _sample(functions: dict[str, Gunicorn]) -> Samples:
    """Read the memory of each function's worker, without its FFmpeg processes, once a second; print some of it."""
    workers = {name: function.worker for name, function in functions.items()}
    began, samples, printed = time.monotonic(), [], 0.0
    while (at := time.monotonic() - began) < SECONDS:
        memory = {name: resident_mb(pid) for name, pid in workers.items()}
        samples.append((at, memory))
        if at >= printed:
            print(
                f"  {at:4.0f} s: " + ", ".join(f"{name} {value:.1f} MB" for name, value in memory.items()), flush=True
            )
            printed += PRINT_SECONDS
        time.sleep(1)
    return samples


def _upload_all(deployment: Deployment, url: str, answers: Counter[int], ended: Event) -> None:
    token = deployment.services.tokens.sign_in(OWNER, admin=False)
    video = clip(CLIP_SECONDS).read_bytes()

    async def run() -> None:
        await asyncio.gather(*(upload() for _ in range(OVERLOAD * ADMITTED["upload"])))

    async def upload() -> None:
        while not ended.is_set():
            status, pause = await _upload(url, token, video)
            answers[status] += 1
            await asyncio.sleep(pause)

    asyncio.run(run())


async def _upload(url: str, token: str, video: bytes) -> tuple[int, float]:
    """Send a video over half a second; return the status of the response, 0 for none, and when to send the next one."""
    parts = urlsplit(url)
    head = f"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(video)}\r\n\r\n"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    size = -(-len(video) // BLOCKS)
    try:
        writer.write(head.encode())
        for start in range(0, len(video), size):
            writer.write(video[start : start + size])
            await asyncio.wait([answer], timeout=BLOCK_SECONDS)
            if answer.done():
                break
        received = await asyncio.wait_for(answer, TIMEOUT_SECONDS)
    except (OSError, EOFError, TimeoutError):
        return 0, 1.0
    finally:
        writer.close()
    wait = re.search(rb"(?i)\r\nretry-after: (\d+)", received)
    return int(received.split()[1]), float(wait[1]) if wait else 0.0


def _delete_excess(deployment: Deployment, ended: Event) -> None:
    """Delete the jobs that have ended, and those that exceed a small number of queued ones."""
    services = deployment.services
    while not ended.wait(0.2):
        with suppress(DatabaseUnavailable):  # SQLite has one writer at a time, for which the functions compete, too
            jobs = services.jobs.page(OWNER, limit=10 * KEPT_JOBS)
            waiting = [job for job in jobs if not job.ended]
            for job in [*(job for job in jobs if job.ended), *waiting[:-KEPT_JOBS]]:
                _delete(deployment, job)


def _delete(deployment: Deployment, job: Job) -> None:
    services = deployment.services
    services.jobs.cancel(job.id)
    if services.jobs.delete(job.id) and (deleted := services.jobs.find(job.id)):
        dispose(deleted, services)


def _convert(deployment: Deployment, url: str, answers: Counter[int], ended: Event) -> None:
    """Send the event of a waiting job again and again, and wait as long as a busy function says."""
    while not ended.is_set():
        job = next(iter(deployment.services.jobs.next_in_turn(1)), None)
        if job is None:
            ended.wait(0.1)
            continue
        headers, body = to_http(event_for(job))
        answer = urllib3.request("POST", url, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False)
        answers[answer.status] += 1
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            ended.wait(0.1)


ROWS: dict[Row, Callable[[Row], Result]] = {Row("overload", "MB", Goal(1.1)): overload}
