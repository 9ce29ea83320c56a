"""The minimum rate of a body, measured by a clock that stops while the application works."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from soundlift.common.errors import TooSlow
from soundlift.common.web.body_deadline import body_seconds_left, limit_body_time
from soundlift.common.web.minimum_rate import MIN_BYTES_PER_SECOND, PERIOD_SECONDS, MinimumRateUnreader

MIN_BYTES = int(MIN_BYTES_PER_SECOND * PERIOD_SECONDS)
Blocks = list[tuple[float, int]]


class Client:
    """A socket and its clock: each block, of a number of bytes, arrives after a number of seconds of waiting."""

    def __init__(self, blocks: Blocks, timeout: float | None = None) -> None:
        self.now = 1000.0
        self.timeout = timeout
        self.blocks = blocks
        self._blocks = list(blocks)

    def monotonic(self) -> float:
        return self.now

    def gettimeout(self) -> float | None:
        return self.timeout

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def recv(self, size: int) -> bytes:
        seconds, length = self._blocks[0] if self._blocks else (float("inf"), 0)
        assert self.timeout is not None, "it would wait forever"
        if seconds > self.timeout:
            self.now += self.timeout
            if self._blocks:
                self._blocks[0] = seconds - self.timeout, length
            raise TimeoutError
        self.now += seconds
        del self._blocks[0]
        return bytes(length)


@pytest.fixture(autouse=True)
def _remove_deadline() -> Iterator[None]:
    yield
    limit_body_time(None)


def receive(client: Client, monkeypatch: pytest.MonkeyPatch, count: int, pause: float = 0) -> list[str]:
    """Read a number of blocks, with a pause after each, and return the counted events."""
    for module in ("minimum_rate", "body_deadline"):
        monkeypatch.setattr(f"soundlift.common.web.{module}.time", client)
    events: list[str] = []
    reader = MinimumRateUnreader(client, lambda: events.append("slow"))
    timeout = client.timeout
    try:
        for _, length in [*client.blocks, *[(0.0, 0)] * count][:count]:
            assert len(reader.chunk()) == length
            assert client.timeout == timeout
            client.now += pause
    except TooSlow as error:
        assert client.timeout == timeout
        return [*events, error.detail]
    return events


@pytest.mark.parametrize(
    "blocks",
    [
        [(1.0, MIN_BYTES_PER_SECOND)] * 60,
        [(0.0, MIN_BYTES), (19.0, 1), (19.0, MIN_BYTES), (19.0, 1)],
        [(19.0, MIN_BYTES), (19.0, MIN_BYTES), (19.0, MIN_BYTES)],
        [(20.0, MIN_BYTES), (20.0, MIN_BYTES)],
        [(1.0, 0)],
    ],
)
@pytest.mark.parametrize("timeout", [None, 120.0])
def test_a_body_may_arrive_at_the_minimum_rate(
    monkeypatch: pytest.MonkeyPatch, blocks: Blocks, timeout: float | None
) -> None:
    assert receive(Client(blocks, timeout), monkeypatch, len(blocks)) == []


@pytest.mark.parametrize(
    ("blocks", "seconds"),
    [
        ([], 20),
        ([(1.0, MIN_BYTES_PER_SECOND - 1)] * 60, 20),
        ([(1.0, MIN_BYTES_PER_SECOND)] * 20 + [(1.0, 1)] * 60, 40),
        ([(0.0, 10 * MIN_BYTES), (20.0, 1), (30.0, 1)], 40),
        ([(19.0, MIN_BYTES - 1), (2.0, MIN_BYTES)], 20),
        ([(20.0, MIN_BYTES), (20.0, MIN_BYTES - 1)], 40),
    ],
)
@pytest.mark.parametrize("timeout", [None, 20.0, 120.0])
def test_a_body_below_the_minimum_rate_is_rejected_after_a_period(
    monkeypatch: pytest.MonkeyPatch, blocks: Blocks, seconds: float, timeout: float | None
) -> None:
    client = Client(blocks, timeout)
    slow, detail = receive(client, monkeypatch, 100)
    assert (slow, client.now - 1000) == ("slow", seconds)
    assert "arrives too slowly" in detail


def test_the_time_of_the_application_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert receive(Client([(1.0, 1000)] * 60), monkeypatch, 60, pause=60) == []


def test_the_socket_s_own_timeout_still_raises_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([(6.0, 1)], timeout=5.0)
    with pytest.raises(TimeoutError):
        receive(client, monkeypatch, 1)
    assert (client.now - 1000, client.timeout) == (5, 5.0)


@pytest.mark.parametrize(("limit", "seconds"), [(30.0, 30), (7.5, 7.5), (1.0, 1), (0.0, 0), (-1.0, 0)])
def test_a_body_is_rejected_after_its_deadline_regardless_of_its_rate(
    monkeypatch: pytest.MonkeyPatch, limit: float, seconds: float
) -> None:
    client = Client([(1.0, 10 * MIN_BYTES)] * 100)
    monkeypatch.setattr("soundlift.common.web.body_deadline.time", client)
    limit_body_time(limit)
    assert body_seconds_left() == limit
    slow, detail = receive(client, monkeypatch, 100)
    assert (slow, client.now - 1000) == ("slow", seconds)
    assert "did not arrive in time" in detail


def test_a_removed_deadline_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_body_time(0)
    limit_body_time(None)
    assert body_seconds_left() is None
    assert receive(Client([(1.0, 1)]), monkeypatch, 1) == []


def test_blocks_of_a_real_socket_are_passed_on_as_they_arrive() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = MinimumRateUnreader(ours, lambda: pytest.fail("the client is not slow"))
        theirs.sendall(bytes(20_000))
        assert [len(reader.chunk()), len(reader.chunk(9000))] == [8192, 9000]
        theirs.close()
        assert [len(reader.chunk()), len(reader.chunk())] == [20_000 - 8192 - 9000, 0]
