"""What a forwarder does to connections, in the vocabulary of Toxiproxy (https://github.com/Shopify/toxiproxy#toxics).

A toxic acts on one direction of each connection: upstream, from the client to the server, or downstream. Times are in
seconds and sizes in bytes.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


class CloseConnection(Exception):
    """The end of a connection; with `reset`, by a TCP reset instead of a regular close."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


@dataclass
class Link:
    """One direction of a connection: the bytes it has passed on, and whether a toxic waits for an answer on it."""

    passed: int = 0
    is_marked: bool = False
    opposite: Link | None = field(default=None, repr=False)


class Toxic:
    """A disturbance, which ends when `removed` is set; this one changes nothing."""

    def __init__(self) -> None:
        self.removed = threading.Event()

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        """Yield the data that is sent on; raises CloseConnection."""
        yield data

    def close(self, link: Link) -> None:
        """Wait before the connection is closed because one side has closed it."""

    def _pause(self, seconds: float) -> None:
        self.removed.wait(seconds)


class Latency(Toxic):
    """A delay of each block of data, with a random part."""

    def __init__(self, latency: float, jitter: float = 0) -> None:
        super().__init__()
        self._latency, self._jitter = latency, jitter

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        self._pause(max(0, self._latency + random.uniform(-self._jitter, self._jitter)))
        yield data


class Bandwidth(Toxic):
    """A maximum rate of bytes per second."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        step = max(1, int(self._rate / 10))
        for start in range(0, len(data), step):
            part = data[start : start + step]
            self._pause(len(part) / self._rate)
            yield part


class SlowClose(Toxic):
    """A delay of the close."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self._delay = delay

    def close(self, link: Link) -> None:
        self._pause(self._delay)


class Timeout(Toxic):
    """A stop of all data, and the end of the connection after a time; with 0, once the toxic is removed."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        self.removed.wait(self._timeout or None)
        raise CloseConnection
        yield  # a generator


class ResetPeer(Toxic):
    """A TCP reset, a time after the first data."""

    def __init__(self, timeout: float = 0) -> None:
        super().__init__()
        self._timeout = timeout

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        self._pause(self._timeout)
        raise CloseConnection(reset=True)
        yield  # a generator


class Slicer(Toxic):
    """A division of the data into small parts of random size, with a delay between them."""

    def __init__(self, average_size: int, size_variation: int = 0, delay: float = 0) -> None:
        super().__init__()
        self._average, self._variation, self._delay = average_size, size_variation, delay

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        while data:
            size = max(1, self._average + random.randint(-self._variation, self._variation))
            yield data[:size]
            data = data[size:]
            if data:
                self._pause(self._delay)


class LimitData(Toxic):
    """The end of each connection after a number of bytes."""

    def __init__(self, limit: int, *, reset: bool = False) -> None:
        super().__init__()
        self._limit, self._reset = limit, reset

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        left = max(0, self._limit - link.passed)
        if left:
            yield data[:left]
        if len(data) >= left:
            raise CloseConnection(reset=self._reset)


class MarkRequests(Toxic):
    """The upstream part of `lose_answers`: it passes everything on, and marks connections on which a text is sent."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self._text = text

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        if self._text in data and link.opposite:
            link.opposite.is_marked = True
        yield data


class DropAnswers(Toxic):
    """The downstream part of `lose_answers`: it closes marked connections instead of passing the answer on."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    def pass_on(self, data: bytes, link: Link) -> Iterator[bytes]:
        if link.is_marked:
            self.dropped += 1
            raise CloseConnection
        yield data


class Answer(Toxic):
    """A fixed answer, such as an HTTP 503, to everything that a client sends; nothing reaches the server."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer
