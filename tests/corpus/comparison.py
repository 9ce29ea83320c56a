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
BROKEN_FRAMES, MP3_FRAME = 10, 1152  # the bits of a frame may begin in the 9 frames before
SMEAR, MAX_SILENCE_DB = 4096, -60.0  # a codec spreads the beginning of a sound
PEAK = re.compile(rb"max_volume: (-?[0-9.]+) dB")
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
    compared = _Result(result, audio)
    declared, count = length * compared.rate, compared.samples.count
    if abs(declared - count) > 0.5:
        return "" if audio.copied and _is_unsteady(source) else f"declares {declared:.1f} samples, has {count}"
    references = list(_references(source, compared.rate))
    if any(compared.matches(reference) for reference in references) or _is_unsteady(source):
        return ""
    counts = [str(compared.decode(reference).count) for reference in references]
    return f"has {count} samples, FFmpeg {' or '.join(counts) or 'none'}"


@dataclass(frozen=True)
class _Reference:
    """Arguments that decode a track of the source, whether it has the rate of the result, and its channels."""

    arguments: list[str]
    is_same_rate: bool
    channels: int


class _Result:
    """An audio file, which is compared with references."""

    def __init__(self, file: Path, audio: AudioDescription) -> None:
        self._file = file
        self._audio = audio
        self._format = _sample_format(file, audio)
        self._own = _Reference(["-i", f"file:{file}", "-map", "0:a"], is_same_rate=True, channels=audio.channels or 1)
        self.rate = audio.sample_rate or 0
        self.samples = self.decode(self._own)

    def decode(self, reference: _Reference, *filters: str) -> Samples:
        """Decode a reference, or the file itself, with further filters."""
        more = ["-af", ",".join(filters)] if filters else []
        return _decode([*reference.arguments, *more], self._format, reference.channels)

    def matches(self, reference: _Reference) -> bool:
        """Return whether the file has the samples of a reference, or as many if its format is not exact."""
        expected = self.decode(reference)
        if self.samples == expected or self._begins_otherwise(reference, expected):
            return True
        audio, more = self._audio, expected.count - self.samples.count
        if audio.copied and audio.codec == "opus" and 0 < more < MAX_OPUS_PADDING:
            # FFmpeg does not discard the padding that an MP4 declares.
            return self.samples == self.decode(reference, f"atrim=end_sample={self.samples.count}")
        is_exact = audio.copied or audio.codec == "flac" or (audio.codec or "").startswith(PCM)
        has_same_samples = reference.is_same_rate and reference.channels == self._own.channels
        return abs(more) <= self._tolerance(reference) and not (
            is_exact and has_same_samples and audio.format not in RAW
        )

    def _tolerance(self, reference: _Reference) -> float:
        """Return by how many samples the length may differ: raw formats cannot declare what is not to be played."""
        if self._audio.format in RAW:
            return MAX_RAW_PADDING
        return 0 if reference.is_same_rate else MAX_ROUNDING

    def _begins_otherwise(self, reference: _Reference, expected: Samples) -> bool:
        """Return whether the sound differs only at its beginning.

        FFmpeg does not always add the silence before a late start. The first frames of an MP3 that was cut out of a
        longer one lack bits, and decoders begin differently.
        """
        late = self.samples.count - expected.count
        if late > 0:
            return _is_silent(self._file, late - SMEAR) and (
                self._audio.codec != "flac" or self.decode(self._own, f"atrim=start_sample={late}") == expected
            )
        trim = f"atrim=start_sample={BROKEN_FRAMES * MP3_FRAME}"
        is_copied_mp3 = self._audio.copied and self._audio.codec == "mp3" and not late
        return bool(is_copied_mp3) and self.decode(self._own, trim) == self.decode(reference, trim)


def _is_silent(result: Path, count: int) -> bool:
    """Return whether the first samples of an audio file are practically zero."""
    trim = f"atrim=end_sample={max(count, 0)},volumedetect"
    command = [
        binary(),
        "-nostdin",
        "-v",
        "info",
        "-i",
        f"file:{result}",
        "-map",
        "0:a",
        "-af",
        trim,
        "-f",
        "null",
        "-",
    ]
    found = PEAK.search(subprocess.run(command, check=False, capture_output=True).stderr)
    return count <= 0 or (found is not None and float(found[1]) < MAX_SILENCE_DB)


def _references(source: Path, rate: int) -> Iterator[_Reference]:
    """Yield each track of the source, with all of its frames, and by their timestamps."""
    for track in range(MAX_TRACKS):
        selection = [*FENCE, "-i", f"file:{source}", "-map", f"0:a:{track}"]
        if found := _describe(selection):
            resampling = [] if found[0] == rate else [resample(rate)]
            for placing in ([], [BY_TIMESTAMPS]):
                filters = ["-af", ",".join([*placing, *resampling])] if placing or resampling else []
                yield _Reference([*selection, *filters], not resampling, found[1])


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
