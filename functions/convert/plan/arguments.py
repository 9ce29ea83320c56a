"""Puts together what FFmpeg is told: to measure a sound, to make an MP3 of it, to list what the file is called."""

from __future__ import annotations

import re
from pathlib import Path

from ..encode.ffmpeg import reading
from ..probe.ffmpeg_log import CONTEXT, own_lines
from ..probe.junk import listing_packets
from ..probe.labels import LIST
from ..probe.timestamps import listing_frames
from .recipe import IN_TIME, Measured, Recipe

MP3 = "sound.mp3"
# Each is matched against one line of FFmpeg's own; loudnorm prints its values as JSON, a line each.
PEAK = re.compile(CONTEXT + r"Peak level dB: (-?[0-9]{1,9}\.[0-9]{1,9}|-?inf)")
SAMPLES = re.compile(CONTEXT + r"Number of samples: ([0-9]{1,19})")
LOUDNESS = re.compile(r'\t"(input_i|input_tp|input_lra|input_thresh|target_offset)" : "(-?[0-9]{1,9}\.[0-9]{1,9})",?')
LOUDNESS_VALUES = 5


def encoding(recipe: Recipe, output: Path, *, reservoir: bool = True) -> list[str]:
    """Return the arguments that write an MP3 without tags: those are put before it when it is stored.

    Without `reservoir` no frame uses bits that the frames before it left over.
    """
    lone_frames = [] if reservoir else ["-reservoir", "0"]
    return [*recipe.encoder, *lone_frames, "-map_metadata", "-1", "-id3v2_version", "0", "-f", "mp3", "-y", str(output)]


def converting(url: str, recipe: Recipe, folder: Path, most_bytes: int) -> list[str]:
    """Return the arguments that make an MP3 in a folder, in one run, and a list of the file's labels besides.

    FFmpeg does not say that it cut an MP3 off, so this one is cut only where it has more than `most_bytes`.
    """
    sound = ["-vn", "-sn", "-dn"] if recipe.stream is None else ["-map", f"0:{recipe.stream}"]
    mp3 = [*sound, "-af", ",".join(recipe.filters), "-fs", str(most_bytes + 1), *encoding(recipe, folder / MP3)]
    return [*reading(url, recipe.lead), *mp3, *listing(folder)]


def listing(folder: Path, stream: int | None = None) -> list[str]:
    """Return the arguments that list in a folder what a file and its chapters are called, and what one track is."""
    track = [] if stream is None else ["-map", f"0:{stream}", "-c", "copy", "-frames:a", "0"]
    return [*track, "-f", "ffmetadata", "-y", str(folder / LIST)]


def measuring(url: str, recipe: Recipe, stream: int) -> list[str]:
    """Return the arguments that decode a track and measure it, and make nothing."""
    return [*reading(url, recipe.lead), "-map", f"0:{stream}", "-af", recipe.measuring, "-f", "null", "-"]


def placement_args(url: str, recipe: Recipe, stream: int) -> list[str]:
    """Return the arguments that decode a track and place all of it by its timestamps, and make nothing."""
    return [*reading(url, recipe.lead), "-map", f"0:{stream}", "-af", IN_TIME, "-f", "null", "-"]


def frame_list_args(url: str, stream: int, output: Path) -> list[str]:
    """Return the arguments that decode the first frames of a track, and list when each is to be heard."""
    return [*reading(url), "-map", f"0:{stream}", *listing_frames(output)]


def packet_list_args(url: str, stream: int, output: Path) -> list[str]:
    """Return the arguments that list the sizes of a track's first packets, and decode nothing."""
    return [*reading(url), "-map", f"0:{stream}", *listing_packets(output)]


def picturing(url: str, stream: int, output: Path) -> list[str]:
    """Return the arguments that put a cover's picture into a file as it is."""
    return [*reading(url), "-map", f"0:{stream}", "-c", "copy", "-frames:v", "1", "-f", "data", "-y", str(output)]


def read_measured(report: str) -> Measured:
    """Return what a measuring run found; a sound that is silent, or too short to tell, has no loudness."""
    lines = own_lines(report)
    peaks = [match[1] for line in lines if (match := PEAK.fullmatch(line))]
    samples = [match[1] for line in lines if (match := SAMPLES.fullmatch(line))]
    loudness = {match[1]: match[2] for line in lines if (match := LOUDNESS.fullmatch(line))}
    return Measured(
        peak=float(peaks[-1]) if peaks else float("-inf"),
        samples=int(samples[-1]) if samples else 0,
        loudness=loudness if len(loudness) == LOUDNESS_VALUES else None,
    )
