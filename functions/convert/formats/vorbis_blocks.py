"""The lengths of Vorbis packets (Vorbis I specification, sections 4.2 and 4.3)."""

from __future__ import annotations

IDENTIFICATION, SETUP = b"\x01vorbis", b"\x05vorbis"
BLOCK_SIZES_AT = 28  # in the identification header: two exponents of 4 bits
# A mode: a flag of 1 bit, two types of 16 bits, which are 0, and a mapping of 8 bits. The number of modes minus 1 is
# stored before them in 6 bits, and a framing bit after them.
MODE_BITS, COUNT_BITS = 41, 6
TYPE_BITS = 0xFFFFFFFF << 1
MAX_MODES = MAX_MAPPINGS = 64


class NotVorbis(Exception):
    """The headers of a stream are not those of Vorbis."""


class Blocks:
    """A counter of samples: a packet decodes to the samples between the centers of its block and the one before.

    `first_size` is the size of the first block in samples, once it was counted.
    """

    def __init__(self, identification: bytes, setup: bytes) -> None:
        """Read the headers; raises NotVorbis."""
        if not identification.startswith(IDENTIFICATION) or not setup.startswith(SETUP):
            raise NotVorbis
        exponents = identification[BLOCK_SIZES_AT : BLOCK_SIZES_AT + 1] or b"\0"
        self._sizes = (1 << (exponents[0] & 15), 1 << (exponents[0] >> 4))
        self._is_long = read_modes(setup)
        self._mode_bits = (len(self._is_long) - 1).bit_length()
        self._previous = 0
        self.first_size = 0

    def count_samples(self, packet: bytes) -> int:
        """Return how many samples per channel a packet decodes to, if the packets are given in their order."""
        if not packet or packet[0] & 1:  # not audio
            return 0
        mode = packet[0] >> 1 & ((1 << self._mode_bits) - 1)
        size = self._sizes[self._is_long[mode]] if mode < len(self._is_long) else 0
        samples = (self._previous + size) // 4 if self._previous and size else 0
        self._previous = size or self._previous
        self.first_size = self.first_size or size
        return samples


def read_modes(setup: bytes) -> tuple[bool, ...]:
    """Return whether the block of each mode is long, from the end of a setup header; raises NotVorbis.

    What comes before the modes has no fixed length. Any bits may look like their number; the largest one is right.
    """
    tail = int.from_bytes(setup[-(MAX_MODES * MODE_BITS // 8 + COUNT_BITS) :], "little")
    end, found = tail.bit_length() - 1, 0  # the framing bit is the last one that is set
    for count in range(1, MAX_MODES + 1):
        start = end - count * MODE_BITS
        mode = tail >> start & ((1 << MODE_BITS) - 1) if start >= COUNT_BITS else TYPE_BITS
        if mode & TYPE_BITS or mode >> 33 >= MAX_MAPPINGS:
            break
        if (tail >> (start - COUNT_BITS) & (MAX_MODES - 1)) + 1 == count:
            found = count
    if not found:
        raise NotVorbis
    return tuple(bool(tail >> (end - (found - number) * MODE_BITS) & 1) for number in range(found))
