"""Reads what FFmpeg, told to be verbose, says of a file before it decodes it, and of the decoding when it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..failures import NO_AUDIO, NOT_MEDIA, UNKNOWN_CODEC, ConversionFailed, sign_in
from .bounded_numbers import read_decimal, read_integer
from .ffmpeg_log import CONTEXT, QUOTED, own_lines
from .sound import Decoded, Sound, Track

# Each is matched against one line. Those on the file are behind QUOTED; the others are FFmpeg's own, see ffmpeg_log.
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
BEGUN = re.compile(r"\[aost#0:0/[^ \]]+ @ 0x[0-9a-f]+\] Created audio stream from input stream 0:([0-9]{1,9})")
DECODED = re.compile(
    r"\[in#0/[^\] ]{1,99} @ 0x[0-9a-f]{1,16}\]   Input stream #0:([0-9]{1,9}) \(audio\): "
    r"[0-9]+ packets read \([0-9]+ bytes\); "
    r"([0-9]{1,19}) frames decoded; ([0-9]{1,19}) decode errors \(([0-9]{1,19}) samples\).*"
)
ENCODED = re.compile(
    r"\[out#0/[^\] ]{1,99} @ 0x[0-9a-f]{1,16}\]   Output stream #0:0 \(audio\): "
    r"[0-9]+ frames encoded \(([0-9]{1,19}) samples\).*"
)
DISPOSITIONS = re.compile(r"(?: \([a-z ]{1,30}\)){1,20}$")  # such as (default)
ESTIMATED = re.compile(
    CONTEXT + r"(?:Estimating duration from bitrate, this may be inaccurate"
    r"|invalid concatenated file detected - using bitrate for duration)"
)
CLOCK_TICK_SECONDS = 0.001


@dataclass(frozen=True)
class _Stream:
    """Is one stream of the file: its kind, the text of its language, and the fields that say more of it."""

    index: int
    kind: str
    language: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> _Stream | None:
        """Return the stream that a line is on, if it is on one.

        Its language may have any text. Behind the last name of a kind there is none of the file's, as ffmpeg_log ends
        the line where FFmpeg's message ends.
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
        """Tell whether it is cover art."""
        return self.kind == "Video" and any("(attached pic)" in field for field in self.fields)

    @property
    def start(self) -> float:
        """Return when it begins, in seconds of the container's own clock."""
        starts = [match[1] for field in self.fields if (match := TRACK_START.fullmatch(field))]
        return (read_decimal(starts[0]) if starts else None) or 0.0

    def track(self) -> Track:
        """Return the audio track that it is."""
        rate, layout = self._rate_and_layout()
        is_known = self.language != "und" and LANGUAGE.fullmatch(self.language)
        return Track(
            index=self.index,
            codec=self.fields[0].split(" ", 1)[0],
            rate=rate,
            layout=layout,
            language=self.language if is_known else None,
            start=self.start,
        )

    def _rate_and_layout(self) -> tuple[int | None, str | None]:
        """Return the rate and the field after it, which is the layout; None where FFmpeg does not know them."""
        for field, following in pairwise(self.fields):
            if match := RATE.fullmatch(field):
                return int(match[1]) or None, _layout(following)
        return None, None


def _layout(field: str) -> str:
    """Return the layout of channels, without the dispositions that may follow it."""
    return DISPOSITIONS.sub("", field).strip()


def ends_heading(line: str) -> bool:
    """Return whether a line is the last one that `read_report` needs."""
    return BEGUN.fullmatch(line) is not None


def read_report(report: str) -> Sound:
    """Return the sound that a report shows; raises ConversionFailed where it shows none that can be decoded."""
    streams = _streams(report)
    begun = _begun(report)
    tracks = _tracks(streams, begun)
    if not tracks:
        raise ConversionFailed(NO_AUDIO if streams else sign_in(report) or NOT_MEDIA)
    if not any(track.decodable for track in tracks):
        raise ConversionFailed(UNKNOWN_CODEC)
    pictures = tuple(stream.index for stream in streams if stream.is_picture)
    container = _container(report)
    start, length = _times(report, container)
    is_estimated = is_length_estimated(report)
    return Sound(
        tracks,
        begun=begun,
        start=start,
        length=length,
        pictures=pictures,
        tags_on_track=container == "ogg",
        starts_anew=container in ("mpeg", "mpegts"),
        lead=_lead(streams, start),
        length_is_of_sound=len(streams) == len(tracks) + len(pictures) and not is_estimated,
        length_is_estimated=is_estimated,
    )


def is_length_estimated(report: str) -> bool:
    """Return whether FFmpeg computed the container's length from a bit rate."""
    return any(ESTIMATED.fullmatch(line) for line in own_lines(report))


def read_decoded(report: str, track: Track) -> Decoded:
    """Return what the end of a report tells of the decoding of a track."""
    for line in own_lines(report):
        if (match := DECODED.fullmatch(line)) and int(match[1]) == track.index:
            return Decoded(frames=int(match[2]), errors=int(match[3]), samples=int(match[4]))
    return Decoded(0, 0, 0)


def read_encoded(report: str) -> int:
    """Return how many samples of one channel the MP3's encoder was given, as the end of a report tells."""
    return next((int(match[1]) for line in own_lines(report) if (match := ENCODED.fullmatch(line))), 0)


def _tracks(streams: Sequence[_Stream], begun: int | None) -> tuple[Track, ...]:
    """Return the audio tracks, and the one that FFmpeg began to decode even if the report had no room for its line."""
    tracks = [stream.track() for stream in streams if stream.kind == "Audio"]
    if begun is not None and all(track.index != begun for track in tracks):
        tracks.append(Track(begun, codec="", rate=None, layout=None))
    return tuple(tracks)


def _streams(report: str) -> list[_Stream]:
    """Return the streams of the file; FFmpeg lists one that is in several programs for each of them."""
    found: dict[int, _Stream] = {}
    for line in _lines_on_file(report):
        if stream := _Stream.of(line):
            found.setdefault(stream.index, stream)
    return list(found.values())


def _lines_on_file(report: str) -> list[str]:
    return [line for line in report.split("\n") if line.startswith(QUOTED)]


def _lead(streams: Sequence[_Stream], start: float) -> float:
    """Return the seconds by which a stream that is neither audio nor video begins before those that are."""
    timed = [stream for stream in streams if stream.kind in ("Audio", "Video") and not stream.is_picture]
    if len(timed) == len(streams):
        return 0.0
    lead = min((stream.start for stream in timed), default=start) - start
    return lead if lead > CLOCK_TICK_SECONDS else 0.0


def _container(report: str) -> str:
    """Return the first name of the demuxer."""
    inputs = (line for line in _lines_on_file(report) if line.startswith(INPUT))
    return next(inputs, INPUT).removeprefix(INPUT).split(",", 1)[0]


def _begun(report: str) -> int | None:
    return next((read_integer(match[1]) for line in own_lines(report) if (match := BEGUN.fullmatch(line))), None)


def _times(report: str, container: str) -> tuple[float, float | None]:
    """Return the container's start and its length, in seconds.

    Matroska has the length counted from 0, whenever its first packet is.
    """
    match = next((match for line in _lines_on_file(report) if (match := DURATION.fullmatch(line))), None)
    if match is None:
        return 0.0, None
    start = (read_decimal(match[4]) if match[4] else None) or 0.0
    if match[1] is None:
        return start, None
    length = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    length -= start if container == "matroska" else 0.0
    return start, length if length > 0 else None
