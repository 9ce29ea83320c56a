"""Measures what MP3 loses without its bit reservoir, which parts encoded in parallel cannot use.

The figure is the signal-to-noise ratio of third-octave bands, averaged over bands and time; higher is better.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness.comparison import Result, Row, Sample
from bench.inputs.clips import ffmpeg

RATE = 44100
RAW = ("-f", "f32le", "-ar", str(RATE), "-ac", "2")
WINDOW = 2048
BANDS = [(100 * 2 ** (third / 3), 100 * 2 ** ((third + 1) / 3)) for third in range(22)]
AUDIBLE = 1e-9  # relative to full scale; a band more than 90 dB below full scale is inaudible
CONSTANT = {f"{bitrate}k": ("-b:a", f"{bitrate}k") for bitrate in (96, 128, 192, 320)}
VARIABLE = {f"V{quality}": ("-q:a", str(quality)) for quality in (0, 2)}
Sound = npt.NDArray[np.float32]


def loss(row: Row, quality: tuple[str, ...]) -> Result:
    """Compare the signal-to-noise ratio without the reservoir to that with FFmpeg's default."""
    (without, _), (usual, _) = (_encoded(quality, reservoir) for reservoir in ("0", "1"))
    return Result(row, Sample(without), Sample(usual), without / usual)


def size(row: Row, quality: tuple[str, ...]) -> Result:
    """Compare the MP3's size without the reservoir to that with FFmpeg's default."""
    (_, without), (_, usual) = (_encoded(quality, reservoir) for reservoir in ("0", "1"))
    return Result(row, Sample(without), Sample(usual), without / usual)


@cache
def _encoded(quality: tuple[str, ...], reservoir: str) -> tuple[float, float]:
    """Encode a sound as MP3 and return the mean signal-to-noise ratio in dB and the size in KB."""
    sound = strings_and_drum()
    with tempfile.TemporaryDirectory() as folder:
        mp3 = Path(folder) / "sound.mp3"  # a file, because FFmpeg seeks back to write the encoder's delay
        _run(sound.tobytes(), *RAW, "-i", "-", "-c:a", "libmp3lame", *quality, "-reservoir", reservoir, str(mp3))
        decoded = np.frombuffer(_run(b"", "-i", str(mp3), *RAW, "-"), np.float32).reshape(-1, 2)
        return float(np.mean(list(_ratios(sound, decoded)))), mp3.stat().st_size / 1e3


def _ratios(sound: Sound, decoded: Sound) -> Iterator[float]:
    """Yield the ratio in dB of each audible band of each window, at most 60."""
    window = np.hanning(WINDOW)[:, None]
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)
    for begin in range(0, len(sound) - WINDOW, WINDOW):
        part = slice(begin, begin + WINDOW)
        signal = np.abs(np.fft.rfft(sound[part] * window, axis=0)) ** 2
        noise = np.abs(np.fft.rfft((decoded[part] - sound[part]) * window, axis=0)) ** 2
        for low, high in BANDS:
            band = (frequencies >= low) & (frequencies < high)
            if (power := signal[band].sum() / WINDOW**2) > AUDIBLE:
                yield min(60.0, 10 * np.log10(power / max(noise[band].sum() / WINDOW**2, 1e-12)))


@cache
def strings_and_drum() -> Sound:
    """Return ten seconds of plucked strings with a drum beat every half second."""
    random, seconds = np.random.default_rng(1), 10
    sound, time = np.zeros((seconds * RATE, 2)), np.arange(2 * RATE) / RATE
    for _ in range(seconds * 6):
        begin, pitch = int(random.integers(0, (seconds - 2) * RATE)), 110 * 2 ** (random.integers(0, 40) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * harmonic * time) / harmonic for harmonic in range(1, 6))
        sound[begin : begin + 2 * RATE] += (tone * np.exp(-3 * time) * 0.08)[:, None] * random.random(2)
    for begin in range(0, seconds * RATE - 4000, RATE // 2):
        sound[begin : begin + 4000] += (random.standard_normal(4000) * np.exp(-np.arange(4000) / 500) * 0.3)[:, None]
    return np.clip(sound, -1, 1).astype(np.float32)


def _run(content: bytes, *arguments: str) -> bytes:
    return subprocess.run(ffmpeg(*arguments), input=content, stdout=subprocess.PIPE, check=True).stdout


ROWS: dict[Row, Callable[[Row], Result]] = {
    **{Row(f"reservoir-{name}", "dB"): partial(loss, quality=quality)
       for name, quality in (CONSTANT | VARIABLE).items()},
    **{Row(f"reservoir-size-{name}", "KB"): partial(size, quality=quality) for name, quality in VARIABLE.items()},
}  # fmt: skip
