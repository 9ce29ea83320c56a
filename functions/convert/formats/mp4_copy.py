"""The exact times of a track that FFmpeg has copied into an MP4.

FFmpeg takes them from the source, where they may be rounded to a coarser clock, such as milliseconds in Matroska, or
have gaps, which players of an audio file treat differently.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ..probe.packets import Packets
from .mp4_aac import read_configuration
from .mp4_index import NotMp4
from .mp4_movie import Movie
from .output_format import NotCopied

ALAC = b"alac"
# The beginning of an ALAC packet, in bits: element and its number, reserved, whether its length follows, shift, and
# whether it is not compressed. https://github.com/macosforge/alac/blob/master/codec/ALACDecoder.cpp
ALAC_HEADER_BYTES, HAS_LENGTH, LENGTH = 7, 36, 1
MAX_UINT32 = 2**32 - 1


def complete_copy(path: Path, packets: Packets) -> int:
    """Write the exact times of a copied track into its index, and return its length in samples; raises NotCopied.

    The frames follow each other. The times that FFmpeg wrote are kept if the length of a frame is unknown.
    """
    try:
        movie = Movie.read(path)
        unit = Fraction(movie.timescale, packets.rate)
        if packets.is_regular or packets.skip or packets.discard:
            movie = _with_times(path, movie, packets, unit)
            movie.write_index(path)
        return round(movie.length / unit)
    except NotMp4:
        raise NotCopied("FFmpeg cannot store it in an MP4") from None


def _with_times(path: Path, movie: Movie, packets: Packets, unit: Fraction) -> Movie:
    """Return a movie with frames of one length, without the samples that `packets` skips and discards.

    There are `unit` units of the movie's times in each sample.
    """
    frame = (_aac_samples(movie, packets.rate) or packets.frame or 0) * unit
    if frame and frame.denominator == 1 and len(packets) == movie.frames:
        last = _last_alac_samples(path, movie, packets.sizes[-1]) if movie.codec == ALAC else None
        movie = movie.with_frames(int(frame), last if last and last < frame else None)
    skip, discard = round(packets.skip * unit), round(packets.discard * unit)
    return movie.with_length(max(0, movie.total - skip - discard), skip)


def _aac_samples(movie: Movie, rate: int) -> int | None:
    """Return the samples at a rate in Hz in each frame of AAC, whatever its timestamps declare, or None if unknown."""
    found = read_configuration(movie.tables)
    doubled = found is not None and rate == 2 * found.rate
    return found.frame * (2 if doubled else 1) if found and (doubled or rate == found.rate) else None


def _last_alac_samples(path: Path, movie: Movie, size: int) -> int | None:
    """Return the samples in the last packet of a file, given its size in bytes, or None if it is complete."""
    with path.open("rb") as file:
        file.seek(movie.layout.index - size)
        header = int.from_bytes(file.read(ALAC_HEADER_BYTES))
    return header >> LENGTH & MAX_UINT32 if header >> HAS_LENGTH & 1 else None
