"""The tags of an audio file: the source's tags, chapters and cover, and the tags that the job requests instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from soundlift.common.options.audio_options import AudioOptions

from ..encode.ffmpeg import input_args
from ..encode.runner import Runner
from ..formats.output_format import Tags
from ..plan.plan import Plan
from ..probe.metadata import Chapter, Metadata, metadata_args, read_metadata
from ..probe.probe import Probe

# Nothing else is copied: where, when and with which phone a video was recorded is private.
COPIED = ("title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc")
TOTALS = {"track": ("tracktotal", "totaltracks"), "disc": ("disctotal", "totaldiscs")}
MAX_TEXT_CHARS = 1000
DAY = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
MAX_COVER_BYTES = 2**24


def collect_tags(probe: Probe, plan: Plan, runner: Runner, folder: Path, seconds: float) -> Tags:
    """Return the tags of an audio file of `seconds`; FFmpeg reads the video again if necessary."""
    options = plan.options
    metadata = probe.metadata
    if probe.has_tags_on_tracks:
        runner.run([*input_args(runner.url), *metadata_args(folder, plan.track.index)])
        metadata = read_metadata(folder)
    cover = _cover(runner, probe.pictures[0], folder) if probe.pictures and options.cover else b""
    return make_tags(metadata.shifted_by(-plan.lead), plan.track.language, options, seconds, cover)


def make_tags(
    metadata: Metadata, language: str | None, options: AudioOptions, seconds: float, cover: bytes = b""
) -> Tags:
    """Return the tags of an audio file of `seconds`, made from a track in `language`."""
    if options.strip_tags:
        return Tags(dict(_texts({}, options.tags)), cover=cover)
    chapters = _within(metadata.chapters, options.start, seconds)
    return Tags(dict(_texts(metadata.tags, options.tags)), language, chapters, cover)


def cover_args(stream: int, output: Path) -> list[str]:
    """Return the arguments that copy a cover to a file."""
    return ["-map", f"0:{stream}", "-c", "copy", "-frames:v", "1", "-f", "data", "-y", str(output)]


def _cover(runner: Runner, stream: int, folder: Path) -> bytes:
    file = folder / "cover"
    runner.run([*input_args(runner.url), *cover_args(stream, file)])
    return file.read_bytes() if file.exists() and file.stat().st_size <= MAX_COVER_BYTES else b""


def _texts(found: Mapping[str, str], requested: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in COPIED:
        text = requested.get(name, _found_text(found, name)).strip()
        if text:
            yield name, text[:MAX_TEXT_CHARS]
    if comment := requested.get("comment"):
        yield "comment", comment


def _found_text(found: Mapping[str, str], name: str) -> str:
    """Return the text of a tag of the source; that of a number includes the total, which Vorbis comments separate."""
    text = found.get(name, "")
    if name == "date":
        return _day(text)
    total = next((found[tag] for tag in TOTALS.get(name, ()) if tag in found), "")
    return f"{text}/{total}" if text and total and "/" not in text else text


def _day(text: str) -> str:
    """Return the day, month or year at the beginning of a date, without the time of day, which is private."""
    match = DAY.match(text)
    return match[0] if match else ""


def _within(chapters: Sequence[Chapter], start: float, seconds: float) -> list[Chapter]:
    """Return the chapters of a part of the source, on the timeline of that part."""
    moved = (chapter.shifted_by(-start) for chapter in chapters)
    cut = (Chapter(max(0.0, one.start), min(seconds, one.end), one.title[:MAX_TEXT_CHARS]) for one in moved)
    return [one for one in cut if one.end > one.start]
