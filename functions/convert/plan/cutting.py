"""The packets that are copied for a part of a track, and where that part really begins and ends."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from ..probe.packets import MAX_SHIFT_SECONDS, Packets


@dataclass(frozen=True)
class Part:
    """The packets from `first` to `last`, without `skip` samples at the beginning and `discard` at the end.

    `start` and `end` are the positions of this sound in the source, in seconds.
    """

    first: int
    last: int
    skip: int
    discard: int
    start: float
    end: float


def cut_packets(packets: Packets, *, late: float, start: float, end: float | None, lead: int) -> Part | None:
    """Return the packets that hold the sound between two positions in seconds, or None if there is no sound.

    The track begins `late` seconds after its first timestamp. With up to `lead` packets before the first one, the part
    is exact to the sample, otherwise it consists of whole packets.
    """
    times = _Times(packets, late)
    count = len(packets)
    first = max(0, bisect_right(times, start) - 1)
    last = count - 1 if end is None else bisect_left(times, end) - 1
    if last < first or start >= times[count]:
        return None
    rate, before = packets.rate, min(first, lead)
    length = round((packets.position(last + 1) - packets.position(first)) * rate)
    skip = packets.skip if first == 0 else 0
    discard = packets.discard if last == count - 1 else 0
    if lead:
        skip = max(skip, round((start - times[first]) * rate))
        discard = max(discard, 0 if end is None else round((times[last + 1] - end) * rate))
    if skip + discard >= length:
        return None
    lead_samples = round((packets.position(first) - packets.position(first - before)) * rate)
    return Part(
        first - before,
        last,
        lead_samples + skip,
        discard,
        times[first] + skip / rate,
        times[last + 1] - discard / rate,
    )


class _Times:
    """The time at which each packet begins, and the last one ends, in seconds, as a sequence.

    Without gaps, times are counted in samples, because the clocks of some containers are coarse. For the same reason,
    a track that begins nearly at 0 begins there.
    """

    def __init__(self, packets: Packets, late: float) -> None:
        self._packets = packets
        begin = late + packets.start
        self._first = (begin if abs(begin) > MAX_SHIFT_SECONDS else 0.0) - packets.skip / packets.rate
        self._is_steady = packets.is_steady

    def __len__(self) -> int:
        return len(self._packets)

    def __getitem__(self, number: int) -> float:
        packets = self._packets
        if self._is_steady:
            return self._first + packets.position(number)
        at = min(number, len(packets) - 1)
        since_first = float((packets.starts[at] - packets.starts[0]) * packets.tick)
        return self._first + since_first + packets.position(number) - packets.position(at)
