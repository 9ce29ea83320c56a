"""Sounds that reveal differences between encoders, and the MP3s that a single encoder makes of them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np

from functions.convert.encode.parallel.pipeline import NO_RESERVOIR
from functions.convert.formats.mp3 import MP3
from functions.convert.plan.plan import Plan, make_plan
from functions.convert.probe.audio_track import AudioTrack
from functions.convert.probe.probe import Probe
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from tests.convert.pcm import Samples
from tests.factories.clips import ffmpeg

RATE = 44100
SECONDS = 60


def _music() -> Samples:
    """Return plucked strings on both sides, with a drum every half second."""
    random = np.random.default_rng(1)
    sound = np.zeros((SECONDS * RATE, 2), np.float32)
    time = np.arange(2 * RATE) / RATE
    for _ in range(SECONDS * 5):
        begin, pitch = random.integers(0, (SECONDS - 2) * RATE), 110 * 2 ** (random.integers(0, 40) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * harmonic * time) / harmonic for harmonic in range(1, 6))
        sound[begin : begin + 2 * RATE] += (tone * np.exp(-3 * time) * 0.08)[:, None] * random.random(2)
    for begin in range(0, SECONDS * RATE - 4000, RATE // 2):
        sound[begin : begin + 4000] += (random.standard_normal(4000) * np.exp(-np.arange(4000) / 500) * 0.3)[:, None]
    return np.clip(sound, -1, 1).astype(np.float32)


def _fading_tones() -> Samples:
    """Return two tones that become inaudible."""
    time = np.arange(SECONDS * RATE) / RATE
    pair = np.sin(2 * np.pi * np.outer(time, (440, 554))) * (0.5 * 10 ** (-1.6 * time / 20))[:, None]
    return pair.astype(np.float32)


def _sudden_noise() -> Samples:
    """Return a second of noise every ten seconds, between near silence, which affects an encoder longest."""
    time = np.arange(SECONDS * RATE) / RATE
    level = np.where(time % 10 < 1, 0.27, 0.00015)[:, None]
    return (np.random.default_rng(2).standard_normal((len(time), 2)) * level).astype(np.float32)


def _clicks() -> Samples:
    """Return a single loud sample every seven seconds."""
    sound = np.zeros((SECONDS * RATE, 2), np.float32)
    sound[:: 7 * RATE] = 0.9
    return sound


def _silence() -> Samples:
    return np.zeros((SECONDS * RATE, 2), np.float32)


SOUNDS = {"music": _music, "fading": _fading_tones, "noise": _sudden_noise, "clicks": _clicks, "silence": _silence}


def write_wavs(folder: Path, rate: int = RATE) -> dict[str, Path]:
    """Write each of SOUNDS to a stereo file in a folder; at 44.1 kHz they last a minute."""
    raw = ("-f", "f32le", "-ar", str(rate), "-ac", "2", "-i")
    files = {}
    for name, make in SOUNDS.items():
        make().tofile(folder / "raw")
        files[name] = ffmpeg(folder / f"{name}.wav", *raw, str(folder / "raw"))
    return files


def make_sound_plan(options: AudioOptions, rate: int = RATE) -> Plan:
    """Return the plan for an MP3 of one of SOUNDS, without measuring its levels."""
    track = AudioTrack(index=0, codec="pcm", rate=rate, layout="stereo")
    return replace(make_plan(Probe((track,), 0), track, options, MP3), is_downmix=False)


def encode_whole(file: Path, plan: Plan, output: Path, *, reservoir: bool = False) -> Path:
    """Encode a whole sound with one FFmpeg."""
    command = [binary(), "-v", "error", "-nostdin", "-i", str(file), "-af", ",".join(plan.filters), *plan.encoder_args]
    options = [*(() if reservoir else NO_RESERVOIR), *plan.format.container_args(), "-y", str(output)]
    subprocess.run([*command, *options], check=True)
    return output
