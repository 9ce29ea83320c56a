"""The completion of a copied MP3: its exact length, and silence instead of frames whose data is missing."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import SEEK_END
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from fastcrc import crc16

from ..probe.packets import Packets
from .mp3_frames import HEADER_BYTES, PADDING_LIMIT, HeaderFrame, NotMp3, read_header
from .mp3_reservoir import data_before, look_alike, mute_incomplete_frames, silent_frame
from .output_format import NotCopied

BLOCK, FRAMES_READ = 256 * 1024, 1000  # at a time
MAX_FRAME_BYTES = 1441  # at 320 kbit/s and 32 kHz, with padding
# Enough for the bit reservoir of the first frame that is played, even in frames that have only three bytes for it, and
# for the frames before it that a decoder needs.
LEAD_FRAMES = 100
MAX_RESERVOIR_FRAMES = 100
WARM_UP_SAMPLES = 1152  # a filter bank remembers 480 samples, and a transform the granule before
# Decoders have a delay of 529 samples. They drop 529 more at the beginning than LAME's tag says, and fewer at the end.
# The tag has 12 bits for each; at the beginning, there must be room for another frame.
DECODER_DELAY = 529
MAX_SKIP, MAX_DISCARD = PADDING_LIMIT - 1 + DECODER_DELAY - 1152, PADDING_LIMIT - 1 - DECODER_DELAY
# What all frames have in common: the version and layer, the sample rate, and whether it is mono.
KIND_MASKS, MONO = (0xFE, 0x0C), 3


@dataclass(frozen=True)
class _Frames:
    """The frames of a file after its header frame, each of which has `samples` per channel.

    `first` are those that may have to be changed, `sizes` are of all frames in bytes. `skip` and `discard` are the
    samples at both ends that are not played.
    """

    first: Sequence[bytes]
    sizes: Sequence[int]
    samples: int
    skip: int
    discard: int

    @property
    def length(self) -> int:
        """Return the number of samples that are played."""
        return len(self.sizes) * self.samples - self.skip - self.discard


def complete_copy(path: Path, packets: Packets) -> int:
    """Write the header frame of a file that FFmpeg copied from some packets, and return its length in samples.

    An incomplete frame at the end is left out. Raises NotCopied if the file does not consist of one frame for each
    packet, all of the same kind.
    """
    try:
        with path.open("rb") as file:
            header, found = _read(file, packets)
        frames = _with_exact_ends(replace(found, first=list(mute_incomplete_frames(found.first))))
        _replace_start(path, len(header.data), b"".join(found.first), b"".join(frames.first))
        with path.open("r+b") as file:
            file.truncate(len(header.data) + sum(frames.sizes))
            file.write(_completed(header, frames, _checksum(file, len(header.data))).data)
    except NotMp3 as error:
        raise NotCopied(f"it does not consist of ordinary MP3 frames ({error})") from None
    return frames.length


def _read(file: BinaryIO, packets: Packets) -> tuple[HeaderFrame, _Frames]:
    """Return the header frame and the whole frames of a file; raises NotMp3 if they are not one for each packet."""
    if max(packets.sizes) > MAX_FRAME_BYTES:
        raise NotMp3("there is something between them")
    header = HeaderFrame.at_start_of(file)
    samples = read_header(header.data).samples
    kept = packets.skip // samples + MAX_RESERVOIR_FRAMES
    is_cut_off = _ends_within_frame(file, packets.sizes[-1])
    whole = packets.sizes[:-1] if is_cut_off else packets.sizes
    first = list[bytes]()
    found = set[tuple[bytes, int]]()
    file.seek(len(header.data))
    for start in range(0, len(whole), FRAMES_READ):
        sizes = whole[start : start + FRAMES_READ]
        data, at = file.read(sum(sizes)), 0
        for size in sizes:
            found.add((data[at : at + HEADER_BYTES], size))
            if len(first) < kept:
                first.append(data[at : at + size])
            at += size
    _check(header, found)
    frames = _Frames(first, whole, samples, packets.skip, max(0, packets.discard - samples * is_cut_off))
    if frames.length <= 0:
        raise NotMp3("none of them is played")
    return header, frames


def _ends_within_frame(file: BinaryIO, last: int) -> bool:
    """Return whether the last packet, of `last` bytes, is a frame without its end."""
    file.seek(-last, SEEK_END)
    start = file.read(HEADER_BYTES)
    return len(start) < HEADER_BYTES or read_header(start).size > last


def _check(header: HeaderFrame, found: Iterable[tuple[bytes, int]]) -> None:
    """Raise NotMp3 unless headers and the bytes to the next one are those of frames of the same kind."""
    kind = _kind(header.data)
    for start, size in found:
        if read_header(start).size != size:
            raise NotMp3("there is something between them")
        if _kind(start) != kind:
            raise NotMp3("the sample rate or the number of channels changes")


def _kind(frame: bytes) -> tuple[int, int, bool]:
    version_mask, rate_mask = KIND_MASKS
    return frame[1] & version_mask, frame[2] & rate_mask, frame[3] >> 6 == MONO


def _with_exact_ends(frames: _Frames) -> _Frames:
    """Return frames whose ends LAME's tag can describe, and which FFmpeg does not take for junk.

    If too much is skipped, frames are left out. A frame without sound comes first if frames are left out, if less is
    skipped than decoders always drop, or if the first two frames do not look alike.
    """
    if frames.discard > MAX_DISCARD:
        left_out = frames.discard // frames.samples
        frames = replace(frames, sizes=frames.sizes[:-left_out], discard=frames.discard - left_out * frames.samples)
    if frames.skip > MAX_SKIP:
        return _after_silence(frames, (frames.skip - WARM_UP_SAMPLES) // frames.samples)
    if frames.skip < DECODER_DELAY or not look_alike(*[*frames.first, frames.first[0]][:2]):
        return _after_silence(frames, 0)
    return frames


def _after_silence(frames: _Frames, count: int) -> _Frames:
    """Return frames without the first `count`, after a frame without sound that contains the data they need."""
    silence = silent_frame(frames.first[count], data_before(frames.first, count))
    return replace(
        frames,
        first=[silence, *frames.first[count:]],
        sizes=array("I", [len(silence), *frames.sizes[count:]]),
        skip=frames.skip + (1 - count) * frames.samples,
    )


def _replace_start(path: Path, at: int, old: bytes, new: bytes) -> None:
    """Replace some bytes of a file, which is written again if they have another length."""
    if len(old) == len(new):
        if old != new:
            with path.open("r+b") as file:
                file.seek(at)
                file.write(new)
        return
    draft = path.with_name(f"draft-{path.name}")
    with path.open("rb") as file, draft.open("wb") as output:
        output.write(file.read(at) + new)
        file.seek(at + len(old))
        copyfileobj(file, output, BLOCK)
    draft.replace(path)


def _checksum(file: BinaryIO, at: int) -> int:
    """Return the checksum of a file's frames, which begin at a position, and go back to the beginning of the file."""
    checksum = 0
    file.seek(at)
    while block := file.read(BLOCK):
        checksum = crc16.arc(block, checksum)
    file.seek(0)
    return checksum


def _completed(header: HeaderFrame, frames: _Frames, checksum: int) -> HeaderFrame:
    """Return the header frame for some frames."""
    return header.with_delay(frames.skip - DECODER_DELAY).for_frames(frames.sizes, frames.length, checksum)
