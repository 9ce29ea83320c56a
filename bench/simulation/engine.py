"""A discrete event simulation: processes are generators, which yield what they wait for."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from itertools import count
from typing import Any, TypeAlias

Process: TypeAlias = Generator[Any, None, Any]


class Clock:
    """The simulated time, and the processes that wait for a moment."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Process]] = []
        self._numbers = count()

    def start(self, process: Process, *, after: float = 0.0) -> None:
        """Let a process go on after some seconds."""
        heapq.heappush(self._events, (self.now + after, next(self._numbers), process))

    def run(self) -> None:
        """Run until no process waits for a moment."""
        while self._events:
            self.now, _, process = heapq.heappop(self._events)
            self._continue(process)

    def _continue(self, process: Process) -> None:
        try:
            wanted = next(process)
        except StopIteration:
            return
        if isinstance(wanted, Resource):
            wanted.acquire(process)
        else:
            self.start(process, after=wanted)


class Resource:
    """Something of which a number of processes can use one each; the others wait in the order in which they came."""

    def __init__(self, clock: Clock, capacity: int) -> None:
        self._clock = clock
        self._free = capacity
        self._capacity = capacity
        self._waiting: deque[Process] = deque()
        self.busy_seconds = 0.0

    def acquire(self, process: Process) -> None:
        """Let a process go on when it can use the resource."""
        if self._free:
            self._free -= 1
            self._clock.start(process)
        else:
            self._waiting.append(process)

    def release(self) -> None:
        """Pass the resource on to the next process."""
        if self._waiting:
            self._clock.start(self._waiting.popleft())
        else:
            self._free += 1

    def use(self, seconds: float) -> Process:
        """Wait for the resource, and use it for some seconds."""
        yield self
        self.busy_seconds += seconds
        yield seconds
        self.release()

    def utilization(self, seconds: float) -> float:
        """Return the part of a time for which the resource was used."""
        return self.busy_seconds / (self._capacity * seconds) if seconds else 0.0
