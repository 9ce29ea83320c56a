"""The packets of an audio track: their times, sizes, and how many samples at both ends are not played.

They are read from the list that FFmpeg writes with `-c copy -f framecrc`, without decoding anything.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import sub
from typing import BinaryIO

MAX_LIST_BYTES = 128 * 2**20  # about 2 million packets, or 15 hours of MP3
BLOCK = 64 * 1024
MAX_LINE_BYTES = 4096
TICK = re.compile(rb"^#tb 0: ([0-9]{1,10})/([1-9][0-9]{0,9})\n", re.MULTILINE)
# Presentation time, duration, size, and what follows the checksum: flags other than those of an ordinary packet, and
# checksums of side data. The sum of the durations of MAX_LIST_BYTES of packets fits into 64 bits.
# https://github.com/FFmpeg/FFmpeg/blob/master/libavformat/framecrcenc.c
PACKET = re.compile(
    rb"^0, *-?[0-9]{1,18}, *(-?[0-9]{1,18}), *([0-9]{1,12}), *([0-9]{1,9}), 0x[0-9a-f]{8}(.{0,1000})\n", re.MULTILINE
)
MAX_SHIFT_SECONDS = 0.02
"""Sound is placed by its timestamps if it would otherwise be off by more than this, as in an encoded file."""
MAX_DRIFT_SECONDS = 0.1
FLAGS = b", F=0x"
DROPPED = b", F=0x5"  # before an MP4's edit: the decoder drops the whole packet, even if the number to skip is smaller
TRIM = re.compile(rb", Skip Samples, *10, 0x([0-9a-f]{8})")
# The size and checksum of the codec's configuration, at the beginning and where FFmpeg reads one between packets.
CONFIGURATION = re.compile(rb"^#extradata 0: *([0-9]{1,9}, 0x[0-9a-f]{8})\n", re.MULTILINE)
NEW_CONFIGURATION = re.compile(rb", (?:New Extradata, *([0-9]{1,9}, 0x[0-9a-f]{8})|Param Change, )")
# Samples per channel in a packet of codecs in which most files have the same number in all packets.
FRAME_SAMPLES = {
    "mp3": (1152, 576),
    "aac": (1024, 2048, 960, 1920),
    "alac": (4096,),
    "flac": (4096, 4608, 1152),
    "ac3": (1536,),
}


@dataclass(frozen=True)
class Packets:
    """The packets of a track at a sample rate in Hz.

    `starts` are their times in ticks, `tick` is in seconds, and `durations` are the sums of the durations before each
    packet and after all of them, in ticks; `sizes` are in bytes. `skip` and `discard` are the numbers of samples at the
    beginning and at the end that are not played. `frame` is the number of samples in each packet, None if it varies or
    is unknown. The list `is_regular` if it is complete, and no packet is damaged or trimmed except at both ends; it is
    not if one packet is trimmed at its both ends. It `is_uniform` if all packets have the same configuration.
    """

    rate: int
    tick: Fraction
    starts: Sequence[int]
    durations: Sequence[int]
    sizes: Sequence[int]
    frame: int | None = None
    skip: int = 0
    discard: int = 0
    is_regular: bool = True
    is_uniform: bool = True

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self.starts)

    @property
    def start(self) -> float:
        """Return the time of the first sample that is played, in seconds."""
        return float(self.starts[0] * self.tick) + self.skip / self.rate

    @property
    def samples(self) -> int:
        """Return the number of samples per channel that are played."""
        return max(0, round(self.position(len(self)) * self.rate) - self.skip - self.discard)

    @property
    def end(self) -> float:
        """Return the time at which the last packet ends, in seconds."""
        last = len(self) - 1
        return float(self.starts[last] * self.tick) + self.position(last + 1) - self.position(last)

    @property
    def deviation(self) -> float:
        """Return the largest deviation of a packet's time from the end of the packets before, in seconds."""
        first = float(self.starts[0])
        if self.frame:
            step = self.frame / self.rate / float(self.tick)
            expected = map(first.__add__, map(step.__mul__, range(len(self))))
        else:
            expected = map(first.__add__, self.durations)
        return float(max(map(abs, map(sub, self.starts, expected)))) * float(self.tick)

    @property
    def is_steady(self) -> bool:
        """Return whether each packet begins about where the previous one ends."""
        return self.deviation <= MAX_SHIFT_SECONDS

    def keep_pace_with(self, samples: int) -> bool:
        """Return whether the times advance like packets with so many samples that are played.

        The lengths of the packets may vary.
        """
        length = (samples + self.skip + self.discard) / self.rate
        packet = length / len(self)
        last = float((self.starts[-1] - self.starts[0]) * self.tick)
        return abs(last - (length - packet)) <= MAX_DRIFT_SECONDS + packet

    def position(self, number: int) -> float:
        """Return the length of the packets before a packet, in seconds."""
        if self.frame:
            return number * self.frame / self.rate
        return float(self.durations[number] * self.tick)


def packet_list_args(output: str) -> list[str]:
    """Return the arguments that write a list of a track's packets to a file, limited in its size."""
    return ["-c", "copy", "-fs", str(MAX_LIST_BYTES), "-f", "framecrc", "-y", output]


def read_packets(lines: BinaryIO, codec: str, rate: int) -> Packets:
    """Return the packets in a list; without any packets if FFmpeg wrote none."""
    found = _List()
    while block := lines.read(BLOCK):
        found.read(block + lines.readline(MAX_LINE_BYTES))
    skip, discard = _trims(found.trims, len(found.starts) - 1)
    frame = _frame_samples(codec, rate, float(found.tick), found.durations) if found.starts else None
    is_regular = found.is_regular and skip is not None and found.size < MAX_LIST_BYTES
    is_regular = is_regular and not (found.trims and len(found.starts) == 1)
    return Packets(
        rate,
        found.tick,
        found.starts,
        found.durations,
        found.sizes,
        frame=frame,
        skip=max(skip or 0, found.dropped * (frame or 0)),
        discard=discard or 0,
        is_regular=is_regular and bool(frame or not found.dropped),
        is_uniform=found.is_uniform,
    )


class _List:
    """The columns of a list, the packets that are trimmed with checksums of how, and the number of dropped ones."""

    def __init__(self) -> None:
        self.tick = Fraction(0)
        self.starts, self.durations, self.sizes = array("q"), array("q", [0]), array("I")
        self.trims: list[tuple[int, bytes]] = []
        self.dropped = self.size = 0
        self.configuration = b""
        self.is_regular = self.is_uniform = True

    def read(self, block: bytes) -> None:
        """Read some lines."""
        self.size += len(block)
        if match := TICK.search(block):
            self.tick = Fraction(int(match[1]), int(match[2]))
        if match := CONFIGURATION.search(block):
            self.configuration = match[1]
        found = PACKET.findall(block)
        self.is_regular = self.is_regular and len(found) == block.count(b"\n") - block.count(b"#")
        if found:
            before = len(self.starts)
            starts, durations, sizes, rests = zip(*found, strict=True)
            self.starts.extend(map(int, starts))
            self.durations.extend(accumulate(map(int, durations), initial=self.durations.pop()))
            self.sizes.extend(map(int, sizes))
            for number, rest in enumerate(rests, before):
                if rest:
                    self._read_rest(number, rest)

    def _read_rest(self, number: int, rest: bytes) -> None:
        is_dropped = number == self.dropped and rest.startswith(DROPPED)
        self.dropped += is_dropped
        self.is_regular = self.is_regular and (is_dropped or FLAGS not in rest)
        changes = (match[1] != self.configuration for match in NEW_CONFIGURATION.finditer(rest))
        self.is_uniform = self.is_uniform and not any(changes)
        self.trims += [(number, match[1]) for match in TRIM.finditer(rest)]


def _trims(found: Sequence[tuple[int, bytes]], last: int) -> tuple[int | None, int | None]:
    """Return how many samples are skipped and discarded, given the packets that are trimmed; None if it is unclear."""
    skip = discard = 0
    for number, checksum in found:
        trim = read_trim(int(checksum, 16))
        if trim is None or (trim[0] and number != 0) or (trim[1] and number != last):
            return None, None
        skip, discard = max(skip, trim[0]), max(discard, trim[1])
    return skip, discard


def read_trim(checksum: int) -> tuple[int, int] | None:
    """Return the samples that a packet's side data skips and discards, or None if it does both, as some do.

    FFmpeg prints only an Adler-32 of its ten bytes, starting from 0: the number to skip, the number to discard, both in
    32 bits in little-endian order, and two zeros. One number below 2^16 is two unknown bytes, which the two sums of the
    checksum determine.
    """
    weighted, total = divmod(checksum, 2**16)
    for is_skip, weight in ((True, 10), (False, 6)):
        high = weight * total - weighted
        low = total - high
        if 0 <= low <= 255 and 0 <= high <= 255:
            return (high << 8 | low, 0) if is_skip else (0, high << 8 | low)
    return None


def _frame_samples(codec: str, rate: int, tick: float, durations: Sequence[int]) -> int | None:
    """Return the usual number of samples that is nearest to what most packets last, None if none is within a tick.

    A container's clock may be too coarse for the duration of a frame.
    """
    lengths = Counter(after - before for before, after in pairwise(durations))
    seconds = lengths.most_common(1)[0][0] * tick
    usual = min(FRAME_SAMPLES.get(codec, ()), key=lambda samples: abs(samples / rate - seconds), default=0)
    return usual if usual and abs(usual / rate - seconds) <= tick else None
