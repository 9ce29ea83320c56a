"""The tone by which the sound of a clip is recognized, and its measurement in any audio file.

Each clip has one sine tone of its own. Two seconds of sound are more than enough to tell tones 2 Hz apart: measured on
MP3s of one second, the frequency is exact to 0.3 Hz.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundlift.common.process.ffmpeg import binary

LOWEST, STEP, TONES = 300.0, 2.0, 1300  # Hz, so that the highest tone passes a codec for speech
TOLERANCE = 0.9  # Hz, less than half a step
RATE = 8000  # samples in a second, at which sound is measured
PADDING = 4  # times as many points as samples, so that the peak is sampled finely
NEIGHBOURHOOD = 25.0  # Hz around the tone that count as the tone: its window's main lobe, and an encoder's modulation
PURE = 0.8  # of the energy, which noise, silence and half-decoded frames do not reach


def tone_of(number: int) -> float:
    """Return the frequency of a clip in Hz; numbers that differ by a multiple of TONES share one."""
    return LOWEST + STEP * (number % TONES)


@dataclass(frozen=True)
class Sound:
    """What was heard in a file: its length in seconds, and its tone in Hz, None for silence and noise."""

    seconds: float
    tone: float | None


def measure(file: Path) -> Sound | None:
    """Decode a file and return its sound, or None if it cannot be decoded."""
    command = [binary(), "-nostdin", "-v", "error", "-xerror", "-i", str(file)]
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"]
    decoded = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if decoded.returncode:
        return None
    samples = np.frombuffer(decoded.stdout, np.float32)
    return Sound(len(samples) / RATE, _dominant(samples))


def _dominant(samples: np.ndarray) -> float | None:
    """Return the frequency that has most of the energy, or None."""
    if len(samples) < RATE // 10:
        return None
    points = PADDING * len(samples)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), points)) ** 2
    frequencies = np.fft.rfftfreq(points, 1 / RATE)
    peak = float(frequencies[np.argmax(power)])
    near = power[np.abs(frequencies - peak) <= NEIGHBOURHOOD].sum()
    total = power.sum()
    return peak if total > 0 and near / total >= PURE else None
