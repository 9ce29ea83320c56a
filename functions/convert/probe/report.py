"""The description of a file in FFmpeg's verbose log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..failures import NO_AUDIO, NOT_MEDIA, UNKNOWN_CODEC, ConversionFailed, find_reason
from .audio_track import AudioTrack
from .bounded_numbers import read_decimal, read_integer
from .ffmpeg_log import CONTEXT, QUOTED, own_lines
from .probe import Probe

# Each pattern is matched against one line. Lines about the file begin with QUOTED; all others are FFmpeg's own, see
# ffmpeg_log.
STREAM = re.compile(r"   Stream #0:([0-9]{1,9})(?:\[0x[0-9a-f]{1,16}\])?")
KINDS = ("Audio", "Video", "Subtitle", "Data", "Attachment", "Unknown")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,5}")  # a tag of BCP 47, or a code of ISO 639-2
INPUT = QUOTED + "Input #0, "
DURATION = re.compile(
    r"   Duration: (?:N/A|([0-9]{2,7}):([0-5][0-9]):([0-5][0-9]\.[0-9]{2})|[-0-9:.]{1,99})"
    r"(?:, start: (-?[0-9]{1,10}\.[0-9]{6}))?, bitrate: .{1,99}"
)
RATE = re.compile(r"([0-9]{1,9}) Hz")
TRACK_START = re.compile(r"start (-?[0-9.]{1,30})(?: \(.*)?")
SELECTED = re.compile(r"\[aost#0:0/[^ \]]+ @ 0x[0-9a-f]+\] Created audio stream from input stream 0:([0-9]{1,9})")
SAMPLE_FORMAT = re.compile(r"(u8|s16|s32|s64|flt|dbl)p?(?: \(([0-9]{1,2}) bit\))?")
DISPOSITIONS = re.compile(r"(?: \([a-z ]{1,30}\)){1,20}$")  # such as (default)
ESTIMATED = re.compile(
    CONTEXT + r"(?:Estimating duration from bitrate, this may be inaccurate"
    r"|invalid concatenated file detected - using bitrate for duration)"
)
CLOCK_TICK_SECONDS = 0.001


@dataclass(frozen=True)
class _Stream:
    """A stream of the file: its kind, the text of its language, and the fields that describe it."""

    index: int
    kind: str
    language: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> _Stream | None:
        """Return the stream that a line describes, or None.

        The language may be any text. The last name of a kind is not followed by text of the file, because ffmpeg_log
        ends the line where FFmpeg's message ends.
        """
        match = STREAM.match(line)
        if match is None:
            return None
        at, kind = max((line.rfind(f": {kind}: "), kind) for kind in KINDS)
        if at < match.end():
            return cls(int(match[1]), "", "", ())
        language = line[match.end() : at].removeprefix("(").removesuffix(")")
        return cls(int(match[1]), kind, language, tuple(line[at + len(f": {kind}: ") :].split(", ")))

    @property
    def is_picture(self) -> bool:
        """Return whether the stream is cover art."""
        return self.kind == "Video" and any("(attached pic)" in field for field in self.fields)

    @property
    def start(self) -> float:
        """Return the first timestamp, in seconds on the container's clock."""
        starts = [match[1] for field in self.fields if (match := TRACK_START.fullmatch(field))]
        return (read_decimal(starts[0]) if starts else None) or 0.0

    def track(self) -> AudioTrack:
        """Return the stream as an audio track."""
        rate, layout, samples = self._sound()
        sample_format = SAMPLE_FORMAT.fullmatch(samples)
        is_known = self.language != "und" and LANGUAGE.fullmatch(self.language)
        return AudioTrack(
            index=self.index,
            codec=self.fields[0].split(" ", 1)[0],
            rate=rate,
            layout=layout,
            language=self.language if is_known else None,
            start=self.start,
            sample_format=sample_format[1] if sample_format else None,
            significant_bits=int(sample_format[2]) or None if sample_format and sample_format[2] else None,
        )

    def _sound(self) -> tuple[int | None, str | None, str]:
        """Return the rate and the layout, None if FFmpeg does not know them, and the text of the sample format.

        They are adjacent fields.
        """
        for number, field in enumerate(self.fields):
            if match := RATE.fullmatch(field):
                layout, samples, *_ = map(_without_dispositions, (*self.fields[number + 1 :], "", ""))
                return int(match[1]) or None, layout or None, samples
        return None, None, ""


def _without_dispositions(field: str) -> str:
    return DISPOSITIONS.sub("", field).strip()


def selects_track(line: str) -> bool:
    """Return whether a line reports which audio track FFmpeg selects."""
    return SELECTED.fullmatch(line) is not None


def read_report(report: str) -> Probe:
    """Return the contents of a file from a report; raises ConversionFailed if there is no audio that can be decoded."""
    streams = _streams(report)
    default_track = _default_track(report)
    tracks = _tracks(streams, default_track)
    if not tracks:
        raise ConversionFailed(NO_AUDIO if streams else find_reason(report) or NOT_MEDIA)
    if not any(track.decodable for track in tracks):
        raise ConversionFailed(UNKNOWN_CODEC)
    pictures = tuple(stream.index for stream in streams if stream.is_picture)
    container = _container(report)
    start, duration = _times(report, container)
    return Probe(
        tracks,
        default_track,
        container=container,
        start=start,
        duration=duration,
        lead=_lead(streams, start),
        pictures=pictures,
        is_audio_only=len(streams) == len(tracks) + len(pictures),
        duration_is_estimated=any(ESTIMATED.fullmatch(line) for line in own_lines(report)),
    )


def _tracks(streams: Sequence[_Stream], default_track: int | None) -> tuple[AudioTrack, ...]:
    """Return the audio tracks, including the one that FFmpeg selected even if the report has no line for it."""
    tracks = [stream.track() for stream in streams if stream.kind == "Audio"]
    if default_track is not None and all(track.index != default_track for track in tracks):
        tracks.append(AudioTrack(default_track, codec="", rate=None, layout=None))
    return tuple(tracks)


def _streams(report: str) -> list[_Stream]:
    """Return the streams of the file without duplicates: FFmpeg repeats those that are in several programs."""
    found: dict[int, _Stream] = {}
    for line in _lines_about_file(report):
        if stream := _Stream.of(line):
            found.setdefault(stream.index, stream)
    return list(found.values())


def _lines_about_file(report: str) -> list[str]:
    return [line for line in report.split("\n") if line.startswith(QUOTED)]


def _lead(streams: Sequence[_Stream], start: float) -> float:
    """Return the seconds by which another stream, such as subtitles, begins before all audio and video."""
    timed = [stream for stream in streams if stream.kind in ("Audio", "Video") and not stream.is_picture]
    if len(timed) == len(streams):
        return 0.0
    lead = min((stream.start for stream in timed), default=start) - start
    return lead if lead > CLOCK_TICK_SECONDS else 0.0


def _container(report: str) -> str:
    """Return the first name of the demuxer."""
    inputs = (line for line in _lines_about_file(report) if line.startswith(INPUT))
    return next(inputs, INPUT).removeprefix(INPUT).split(",", 1)[0]


def _default_track(report: str) -> int | None:
    return next((read_integer(match[1]) for line in own_lines(report) if (match := SELECTED.fullmatch(line))), None)


def _times(report: str, container: str) -> tuple[float, float | None]:
    """Return the container's start and duration, in seconds.

    Matroska counts the duration from 0, whatever the timestamp of its first packet.
    """
    match = next((match for line in _lines_about_file(report) if (match := DURATION.fullmatch(line))), None)
    if match is None:
        return 0.0, None
    start = (read_decimal(match[4]) if match[4] else None) or 0.0
    if match[1] is None:
        return start, None
    duration = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    duration -= start if container == "matroska" else 0.0
    return start, duration if duration > 0 else None
