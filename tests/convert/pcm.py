"""The conversion of media files to samples and back, and sample-exact comparisons."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from soundlift.common.process.ffmpeg import binary

Samples: TypeAlias = npt.NDArray[np.float32]
# A frame in the output of FFmpeg's filter ashowinfo, with its time in samples.
FRAME = re.compile(
    r"^\[Parsed_ashowinfo_0 @ \w+\] n:\d+ pts:(?P<pts>\S+) .*? channels:(?P<channels>\d+) .*? rate:(?P<rate>\d+)"
    r" nb_samples:(?P<count>\d+)",
    re.MULTILINE,
)
START = re.compile(r"^  Duration: [^,]+, start: (-?[\d.]+)", re.MULTILINE)
# If a container's clock ticks in milliseconds, the times of adjacent frames may be off by one tick.
TICK_SECONDS = 0.001
WINDOW = 4096
MIN_CORRELATION = 0.9  # of noise encoded by LAME at V2; `lag` detects shifts by one sample


@dataclass(frozen=True)
class Sound:
    """Decoded sound: samples by channel, with full scale at 1, and their rate in Hz."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def hiss(seconds: float, rate: int, channels: int = 1, *, level: float = 0.2) -> Samples:
    """Return noise below a sixth of the rate and 5 kHz, which MP3 preserves and which never repeats itself."""
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal((count, channels)), axis=0)
    spectrum[np.fft.rfftfreq(count, 1 / rate) > min(rate / 6, 5000)] = 0
    noise = np.fft.irfft(spectrum, count, axis=0)
    return (noise * (level / noise.std())).astype(np.float32)


def write_sound(
    file: Path, samples: Samples, rate: int, *arguments: str, before: tuple[str, ...] = (), layout: str = ""
) -> Path:
    """Write samples to a media file; `before` are arguments for inputs that come first, such as a picture."""
    channels = ["-ch_layout", layout] if layout else ["-ac", str(samples.shape[1])]
    sound = ["-f", "f32le", "-ar", str(rate), *channels, "-i", "pipe:0"]
    command = [binary(), "-v", "error", "-y", *before, *sound, *arguments, str(file)]
    subprocess.run(command, check=True, capture_output=True, input=samples.tobytes())
    return file


def decode_file(file: Path) -> Sound:
    """Decode the track that FFmpeg selects, one frame after another, regardless of timestamps."""
    sound, _ = _decode(file)
    return sound


def decode_by_timestamps(file: Path) -> Sound:
    """Decode with each frame at its own time, counted from the file's first timestamp, and silence in gaps."""
    sound, report = _decode(file, "-copyts")
    start = START.search(report)
    first = float(start[1]) * sound.rate if start else 0.0
    parts, end, read = [], 0, 0
    for frame in FRAME.finditer(report):
        gap = round(float(frame["pts"]) - first) - end
        if abs(gap) <= 2 * TICK_SECONDS * sound.rate and end:
            gap = 0
        assert gap >= 0, (
            "a frame begins before the first timestamp of the file, or before the end of the previous frame"
        )
        frames = sound.samples[read : read + int(frame["count"])]
        parts += [np.zeros((gap, frames.shape[1]), np.float32), frames]
        read += len(frames)
        end += gap + len(frames)
    return Sound(np.concatenate(parts), sound.rate)


def lag(sound: Samples, reference: Samples) -> int:
    """Return how many samples the first channel of `sound` lags behind that of `reference`, by cross-correlation."""
    size = 2 * max(len(sound), len(reference))
    spectrum = np.fft.rfft(sound[:, 0], size) * np.fft.rfft(reference[:, 0], size).conj()
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best - size if best > size // 2 else best


def correlation(one: Samples, other: Samples) -> float:
    """Return the correlation coefficient of the first channels of two sounds of the same length."""
    return float(np.corrcoef(one[:, 0], other[:, 0])[0, 1])


def assert_same_sound(found: Samples, expected: Samples) -> None:
    """Assert that two sounds are equal and aligned, as a whole and at their beginning, middle and end."""
    assert found.shape == expected.shape
    assert lag(found, expected) == 0
    last = max(len(expected) - WINDOW, 0)
    for start in (0, last // 2, last):
        part = slice(start, start + WINDOW)
        if expected[part].any():
            assert lag(found[part], expected[part]) == 0
            assert correlation(found[part], expected[part]) > MIN_CORRELATION


def rms_levels(samples: Samples) -> list[float]:
    """Return the RMS level of each channel."""
    return [float(level) for level in np.sqrt((samples.astype(np.float64) ** 2).mean(axis=0))]


def _decode(file: Path, *before: str) -> tuple[Sound, str]:
    """Return the decoded sound, and FFmpeg's report, which has a line of ashowinfo for each frame."""
    command = [binary(), "-nostdin", "-hide_banner", "-v", "info", *before, "-i", str(file), "-vn", "-af", "ashowinfo"]
    done = subprocess.run([*command, "-f", "f32le", "-"], check=True, capture_output=True)
    report = done.stderr.decode("utf-8", "replace")
    frame = FRAME.search(report)
    assert frame is not None, f"FFmpeg decodes no sound from {file}"
    samples = np.frombuffer(done.stdout, np.float32).reshape(-1, int(frame["channels"]))
    return Sound(samples, int(frame["rate"])), report
