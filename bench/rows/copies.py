"""Measures the copy of a track against bare FFmpeg's, and against encoding the track."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.baselines.bare_ffmpeg import bare_copy
from bench.harness.comparison import Goal, Result, Row, compare
from bench.harness.deployment import temporary_deployment
from bench.inputs.clips import clip, clip_with_mp3
from bench.rows.conversions import MINUTES, ours, worker

BARE, ENCODING = Goal(1.3), Goal(0.1)


def against_ffmpeg(row: Row, audio_format: str, make: Callable[[int], Path]) -> Result:
    """Compare a copy from store to store with `ffmpeg -c copy`."""
    video = make(60 * MINUTES)
    with temporary_deployment() as deployment, worker(deployment) as pool:
        bare = bare_copy(video, deployment.folder / f"bare.{audio_format}")
        return compare(row, ours(deployment, pool, video, _options(audio_format, "auto")), bare)


def against_encoding(row: Row, audio_format: str, make: Callable[[int], Path]) -> Result:
    """Compare a copy with encoding the track in the same format."""
    video = make(60 * MINUTES)
    with temporary_deployment() as deployment, worker(deployment) as pool:
        copy, encoding = (ours(deployment, pool, video, _options(audio_format, choice)) for choice in ("auto", "never"))
        return compare(row, copy, encoding)


def _options(audio_format: str, copy: str) -> str:
    return json.dumps({"format": audio_format, "copy": copy})


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("copy-mp3", "s", BARE): partial(against_ffmpeg, audio_format="mp3", make=clip_with_mp3),
    Row("copy-m4a", "s", BARE): partial(against_ffmpeg, audio_format="m4a", make=clip),
    Row("copy-mp3-or-encode", "s", ENCODING): partial(against_encoding, audio_format="mp3", make=clip_with_mp3),
    Row("copy-m4a-or-encode", "s", ENCODING): partial(against_encoding, audio_format="m4a", make=clip),
}
