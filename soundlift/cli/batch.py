"""Several conversions in parallel, which Ctrl-C stops without losing what the server has accepted."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from soundlift.cli.conversion import Conversion
from soundlift.cli.outcome import Outcome
from soundlift.common.printable import escaped
from soundlift.local.program_name import program_name

POLL_SECONDS = 0.2


def run_all(conversions: Sequence[Conversion], parallel: int) -> Iterator[Outcome]:
    """Yield the result of each conversion when it ends; at most `parallel` run at a time.

    The threads are daemons: after KeyboardInterrupt, the process can end although they wait for a server.
    """
    waiting: SimpleQueue[Conversion] = SimpleQueue()
    ended: SimpleQueue[Outcome | BaseException] = SimpleQueue()
    for conversion in conversions:
        waiting.put(conversion)
    for _ in range(min(parallel, len(conversions))):
        Thread(target=_work, args=(waiting, ended), daemon=True).start()
    for _ in conversions:
        yield _next(ended.get)


def _work(waiting: SimpleQueue[Conversion], ended: SimpleQueue[Outcome | BaseException]) -> None:
    while True:
        try:
            conversion = waiting.get_nowait()
        except Empty:
            return
        try:
            ended.put(conversion.run())
        except BaseException as error:
            ended.put(error)


def _next(get: Callable[..., Outcome | BaseException]) -> Outcome:
    """Return the next result; a wait with a limit can be interrupted on every platform."""
    while True:
        try:
            result = get(timeout=POLL_SECONDS)
        except Empty:
            continue
        if isinstance(result, BaseException):
            raise result
        return result


def stop_advice(conversions: Sequence[Conversion]) -> str:
    """Return, after an interruption, what the server goes on to do, and the commands that get the results."""
    lines = ["Interrupted."]
    waiting = [one for one in conversions if not one.ended and not one.job]
    resumable = [one for one in waiting if one.is_resumable]
    if resumable:
        uploads = "the upload" if len(resumable) == 1 else f"{len(resumable)} uploads"
        lines = [f"Interrupted. The same command continues {uploads} later."]
    if len(waiting) > len(resumable):
        other = "other " if resumable else ""
        files = "the file that was" if len(conversions) == 1 else f"{other}files that were"
        lines[0] += f" The server keeps nothing of {files} not completely uploaded."
    accepted = [one for one in conversions if one.job and not one.ended]
    if accepted:
        commands = [f"  {program_name()} download {one.job.id}{_output(one)}" for one in accepted if one.job]
        lines += ["The server continues the conversion. Get the result with:", *commands]
    return "\n".join(lines)


def _output(conversion: Conversion) -> str:
    """Return the option that saves a job where the conversion would have, if the default is another place."""
    target = conversion.item.target
    if target is None or (conversion.job and target == Path(conversion.job.output_name)):
        return ""
    place = str(target)
    if conversion.item.suffix_follows or not target.parent.exists():
        place = "" if target.parent == Path() else f"{target.parent}{os.sep}"  # which is created, as it would have been
    return f" -o {shlex.quote(escaped(place))}" if place else ""
