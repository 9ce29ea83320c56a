"""The probing of a stored video: an FFmpeg run that decodes nothing, and headers that FFmpeg does not report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from soundlift.common.media import MediaStore

from ..encode.ffmpeg import input_args
from ..encode.runner import Runner
from ..encode.waiting import Output
from ..failures import ENCRYPTED_SOUND, ConversionFailed
from .declared_duration import declared_duration
from .metadata import metadata_args
from .mp4_boxes import has_protected_sound
from .probe import Probe
from .report import read_report

# FFmpeg selects an audio track, as it does for an MP3, and exits.
SELECT_TRACK = ("-vn", "-sn", "-dn", "-c", "copy", "-frames:a", "0", "-f", "null", "-")


def probe_video(runner: Runner, videos: MediaStore, fid: str, folder: Path, output: Output | None) -> Probe:
    """Return the contents of a video, whose metadata FFmpeg writes to a folder: `Runner.finish_probe` waits for it.

    FFmpeg then waits to encode a track to an `output`, unless it is None. Raises ConversionFailed if there is no audio
    that can be decoded, and what `Runner.run` and the media store raise.
    """
    probe = read_report(runner.probe([*input_args(runner.url), *SELECT_TRACK, *metadata_args(folder)], output))
    reader = videos.open(fid)
    with reader.file as file:
        if has_protected_sound(file, reader.size):
            raise ConversionFailed(ENCRYPTED_SOUND)
        return replace(probe, declared=declared_duration(file, reader.size))
