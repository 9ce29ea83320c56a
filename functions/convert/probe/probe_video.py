"""The probing of a stored video: an FFmpeg run that decodes nothing, and headers that FFmpeg does not report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from soundlift.common.media import MediaStore

from ..encode.ffmpeg import input_args
from ..encode.runner import Runner
from ..failures import ENCRYPTED_SOUND, ConversionFailed
from .declared_duration import declared_duration
from .metadata import metadata_args, read_metadata
from .mp4_boxes import has_protected_sound
from .probe import Probe
from .report import read_report

# FFmpeg selects an audio track, as it does for an MP3, and exits.
SELECT_TRACK = ("-vn", "-sn", "-dn", "-c", "copy", "-frames:a", "0", "-f", "null", "-")


def probe_video(runner: Runner, videos: MediaStore, fid: str, folder: Path) -> Probe:
    """Return the contents of a video; FFmpeg writes the metadata to a folder.

    Raises ConversionFailed if there is no audio that can be decoded, and what `Runner.run` and the media store raise.
    """
    outcome = runner.run([*input_args(runner.url), *SELECT_TRACK, *metadata_args(folder)])
    probe = read_report(outcome.report)
    reader = videos.open(fid)
    with reader.file as file:
        if has_protected_sound(file, reader.size):
            raise ConversionFailed(ENCRYPTED_SOUND)
        return replace(probe, declared=declared_duration(file, reader.size), metadata=read_metadata(folder))
