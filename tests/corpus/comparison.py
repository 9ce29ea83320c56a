"""The comparison of the samples of an audio file with those that FFmpeg decodes of its source."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutagen.flac import FLAC

from functions.convert.plan.filters import BY_TIMESTAMPS, resample
from soundlift.common.audio.formats import DEMUXERS
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.process.ffmpeg import binary

FENCE = ("-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS)
PCM = "pcm_"
SAMPLE_BYTES = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "s64le": 8, "f32le": 4, "f64le": 8}
MAX_ROUNDING = 1.5  # samples by which the length of resampled sound may differ
RAW, MAX_RAW_PADDING = ("ac3", "eac3", "dts"), 2 * 1536  # two frames of AC-3
MAX_OPUS_PADDING = 5760  # samples in the longest packet
MAX_TRACKS = 10
BLOCK = 2**20
MARKS = (b"Reconfiguring filter graph because audio parameters changed", b"corrupt decoded frame")
ERRORS = re.compile(rb" frames decoded; ([0-9]{1,9}) decode errors")


@dataclass(frozen=True)
class Samples:
    """Decoded samples: their number per channel, and a checksum of all."""

    count: int
    checksum: str


def difference(source: Path, result: Path, audio: AudioDescription, length: float) -> str:
    """Return how an audio file differs from its source, as FFmpeg decodes both, or an empty text.

    A copy and a lossless format have the same samples, other formats as many. `length` is what the job declares, in
    seconds. FFmpeg decodes any track of the source, one frame after another or by their timestamps.
    """
    rate, channels = audio.sample_rate or 0, audio.channels or 0
    sample_format = _sample_format(result, audio)
    found = _decode(["-i", f"file:{result}", "-map", "0:a"], sample_format, channels)
    if abs(length * rate - found.count) > 0.5:
        is_excused = audio.copied and _is_unsteady(source)
        return "" if is_excused else f"declares {length * rate:.1f} samples, has {found.count}"
    is_exact = audio.copied or audio.codec == "flac" or (audio.codec or "").startswith(PCM)
    counts = []
    for arguments, is_same_rate, source_channels in _references(source, rate):
        expected = _decode(arguments, sample_format, source_channels)
        if found == expected:
            return ""
        if audio.copied and audio.codec == "opus" and 0 < expected.count - found.count < MAX_OPUS_PADDING:
            # FFmpeg does not discard the padding that an MP4 declares.
            expected = _decode([*arguments, "-af", f"atrim=end_sample={found.count}"], sample_format, source_channels)
            if found == expected:
                return ""
        exceeds = abs(found.count - expected.count) > _tolerance(audio, is_same_rate=is_same_rate)
        if not exceeds and not (is_exact and audio.format not in RAW and is_same_rate and source_channels == channels):
            return ""
        counts.append("other samples" if not exceeds else str(expected.count))
    if _is_unsteady(source):
        return ""
    return f"has {found.count} samples, FFmpeg {' or '.join(counts) or 'none'}"


def _tolerance(audio: AudioDescription, *, is_same_rate: bool) -> float:
    """Return by how many samples the length may differ: raw formats cannot declare what is not to be played."""
    if audio.format in RAW:
        return MAX_RAW_PADDING
    return 0 if is_same_rate else MAX_ROUNDING


def _references(source: Path, rate: int) -> Iterator[tuple[list[str], bool, int]]:
    """Yield arguments that decode a track, whether it has a sample rate, and the number of its channels."""
    for track in range(MAX_TRACKS):
        selection = [*FENCE, "-i", f"file:{source}", "-map", f"0:a:{track}"]
        if found := _describe(selection):
            is_same_rate = found[0] == rate
            resampling = [] if is_same_rate else [resample(rate)]
            for placing in ([], [BY_TIMESTAMPS]):
                filters = [*placing, *resampling]
                yield [*selection, *(["-af", ",".join(filters)] if filters else [])], is_same_rate, found[1]


def _describe(selection: list[str]) -> tuple[int, int] | None:
    """Return the sample rate and the number of channels that FFmpeg decodes, None if it decodes nothing."""
    command = [binary(), "-nostdin", "-v", "error", *selection, "-frames:a", "1", "-c:a", "pcm_s16le", "-f", "wav", "-"]
    header = subprocess.run(command, check=False, capture_output=True).stdout[:64]
    if len(header) < 64:
        return None
    return int.from_bytes(header[24:28], "little"), int.from_bytes(header[22:24], "little")


def _is_unsteady(source: Path) -> bool:
    """Return whether the sound has errors, or changes its format: then its length depends on how it is decoded."""
    command = [binary(), "-nostdin", "-v", "verbose", *FENCE, "-i", f"file:{source}", "-map", "0:a", "-f", "null", "-"]
    report = subprocess.run(command, check=False, capture_output=True).stderr
    return any(mark in report for mark in MARKS) or any(int(match[1]) for match in ERRORS.finditer(report))


def _sample_format(result: Path, audio: AudioDescription) -> str:
    """Return FFmpeg's name of the raw samples that an audio file stores, or that its decoder returns."""
    codec = audio.codec or ""
    if codec.startswith(PCM):
        return next((name for name in SAMPLE_BYTES if codec == PCM + name), "s16le")
    return f"s{FLAC(result).info.bits_per_sample}le" if codec == "flac" else "f32le"


def _decode(arguments: list[str], sample_format: str, channels: int) -> Samples:
    command = [binary(), "-nostdin", "-v", "quiet", *arguments, "-max_error_rate", "1", "-f", sample_format, "-"]
    checksum, size = hashlib.md5(usedforsecurity=False), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(BLOCK):
            checksum.update(block)
            size += len(block)
    return Samples(size // (SAMPLE_BYTES[sample_format] * max(channels, 1)), checksum.hexdigest())
