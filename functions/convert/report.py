"""Reads what FFmpeg, told to be verbose, says of a file before it decodes it, and of the decoding when it ends."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from .declared_duration import UNKNOWN, Declared
from .verdict import NO_AUDIO, NOT_MEDIA, UNKNOWN_CODEC, ConversionFailed, sign_in

STREAM = re.compile(
    r"^  Stream #0:(?P<index>\d+)(?:\[0x[0-9a-f]+\])?(?:\((?P<language>[^)]*)\))?: (?P<kind>\w+): (?P<more>.*)$",
    re.MULTILINE,
)
ANY_STREAM = re.compile(r"^  Stream #0:\d+", re.MULTILINE)
MAPPING = re.compile(r"^  Stream #0:(\d+) -> #0:0 ", re.MULTILINE)
HEADING_ENDS = "Stream mapping:\n"
CONTAINER_START = re.compile(r"^  Duration: .*?, start: (-?[\d.]+)", re.MULTILINE)
TRACK_START = re.compile(r", start (-?[\d.]+)")
RATE_AND_LAYOUT = re.compile(r", (\d+) Hz, ([^,]+)")
DECODED = re.compile(r"Input stream #0:(\d+) \(audio\):.*? (\d+) frames decoded; (\d+) decode errors \((\d+) samples\)")
CHANNELS = {"mono": 1, "1 channels": 1, "stereo": 2, "2 channels": 2, "downmix": 2}
MORE_THAN_STEREO = 3
UNKNOWN_LAYOUT = re.compile(r"(\d+) channels")
ENCODED = re.compile(r"Output stream #0:0 \(audio\): \d+ frames encoded \((\d+) samples\)")
MPEG = re.compile(r"^Input #0, mpeg(?:ts)?,", re.MULTILINE)
ESTIMATED = re.compile(r"Estimating duration from bitrate|using bitrate for duration")
MATROSKA = re.compile(r"^Input #0, matroska", re.MULTILINE)
OGG = re.compile(r"^Input #0, ogg", re.MULTILINE)
UNDECODABLE = ("none", "unknown")
CLOCK_TICK_SECONDS = 0.001


@dataclass(frozen=True)
class Track:
    """Is one audio track: `index` among all streams of the file, `rate` in Hz, `layout` of channels as FFmpeg names it.

    `rate` and `layout` are None where FFmpeg does not say, which is where it cannot decode the track. `start` is when
    its sound begins, in seconds of the container's own clock.
    """

    index: int
    codec: str
    rate: int | None
    layout: str | None
    language: str | None = None
    start: float = 0.0

    @property
    def channels(self) -> int:
        """Return 1 for mono, 2 for stereo, and 3 for all that has more."""
        return CHANNELS.get(self.layout or "stereo", MORE_THAN_STEREO)

    @property
    def loose_channels(self) -> int | None:
        """Return the number of channels where nothing says which is which, else None."""
        match = UNKNOWN_LAYOUT.fullmatch(self.layout or "")
        return int(match[1]) if match else None

    @property
    def decodable(self) -> bool:
        """Tell whether FFmpeg knows the coding."""
        return self.codec not in UNDECODABLE


@dataclass(frozen=True)
class Sound:
    """Is what a file has to hear: its audio tracks, and the index of the one that FFmpeg began to decode, if it did.

    `start` and `length` are the container's, in seconds; `declared` is what the file's own header says, where FFmpeg
    tells only what is left. `lead` are the seconds by which other streams, such as subtitles, begin before all audio
    and video. `pictures` are the streams that hold cover art. `tags_on_track` tells that the file says of a track what
    others say of themselves, as Ogg does; `starts_anew`, that FFmpeg counts time from the first track it decodes, as in
    MPEG's streams; `length_is_of_sound`, that there is nothing else in the file, and no guess in it.
    """

    tracks: tuple[Track, ...]
    begun: int | None
    start: float
    length: float | None
    pictures: tuple[int, ...]
    tags_on_track: bool
    starts_anew: bool
    length_is_of_sound: bool
    declared: Declared = UNKNOWN
    lead: float = 0.0

    @property
    def chosen(self) -> Track:
        """Return the track to convert where a job names none: FFmpeg's choice, else the first that it can decode."""
        found = (track for track in self.tracks if track.index == self.begun)
        return next(found, None) or next(track for track in self.tracks if track.decodable)

    def silence_before(self, track: Track) -> float:
        """Return the seconds by which a track begins later than the file, where FFmpeg would forget them."""
        return max(0.0, track.start - self.start - self.lead) if self.starts_anew else 0.0


@dataclass(frozen=True)
class Decoded:
    """Is how much of a track was decoded, in frames and in samples of one channel, and how often that failed."""

    frames: int
    errors: int
    samples: int


def is_whole(heading: str) -> bool:
    """Tell whether a report, still growing, has all that `read_report` wants."""
    return MAPPING.search(heading) is not None


def read_report(report: str) -> Sound:
    """Return the sound that a report shows; raises ConversionFailed where it shows none that can be decoded."""
    heading, _, rest = report.partition(HEADING_ENDS)
    streams = list(STREAM.finditer(heading))
    tracks = tuple(_track(stream) for stream in streams if stream["kind"] == "Audio")
    if not tracks:
        if ANY_STREAM.search(heading):
            raise ConversionFailed(NO_AUDIO)
        raise ConversionFailed(sign_in(report) or NOT_MEDIA)
    if not any(track.decodable for track in tracks):
        raise ConversionFailed(UNKNOWN_CODEC)
    mapped = MAPPING.search(rest)
    pictures = tuple(int(stream["index"]) for stream in streams if "(attached pic)" in stream["more"])
    found = CONTAINER_START.search(heading)
    start = float(found[1]) if found else 0.0
    return Sound(
        tracks,
        begun=int(mapped[1]) if mapped else None,
        start=start,
        length=_length(heading, start),
        pictures=pictures,
        tags_on_track=OGG.search(heading) is not None,
        starts_anew=MPEG.search(heading) is not None,
        lead=_lead(streams, start),
        length_is_of_sound=len(streams) == len(tracks) + len(pictures) and not ESTIMATED.search(heading),
    )


def read_decoded(report: str, track: Track) -> Decoded:
    """Return what the end of a report tells of the decoding of a track."""
    for match in DECODED.finditer(report):
        if int(match[1]) == track.index:
            return Decoded(frames=int(match[2]), errors=int(match[3]), samples=int(match[4]))
    return Decoded(0, 0, 0)


def read_encoded(report: str) -> int:
    """Return how many samples of one channel the MP3's encoder was given, as the end of a report tells."""
    match = ENCODED.search(report)
    return int(match[1]) if match else 0


def _track(stream: re.Match[str]) -> Track:
    more = stream["more"]
    found, start = RATE_AND_LAYOUT.search(more), TRACK_START.search(more)
    return Track(
        index=int(stream["index"]),
        codec=more.split(" ", 1)[0].rstrip(","),
        rate=(int(found[1]) or None) if found else None,
        layout=found[2].strip() if found else None,
        language=stream["language"] if stream["language"] != "und" else None,
        start=float(start[1]) if start else 0.0,
    )


def _lead(streams: Sequence[re.Match[str]], start: float) -> float:
    """Return the seconds by which a stream that is neither audio nor video begins before those that are."""
    timed = [stream["more"] for stream in streams if stream["kind"] in ("Audio", "Video")]
    timed = [more for more in timed if "(attached pic)" not in more]
    if len(timed) == len(streams):
        return 0.0
    found = (TRACK_START.search(more) for more in timed)
    lead = min(float(match[1]) if match else 0.0 for match in found) - start
    return lead if lead > CLOCK_TICK_SECONDS else 0.0


def _length(heading: str, start: float) -> float | None:
    """Return the length in seconds that MoviePy reads from the report; it raises on some files that are good.

    Matroska has it counted from 0, whenever its first packet is.
    """
    from moviepy.video.io.ffmpeg_reader import FFmpegInfosParser

    plain = [line for line in heading.splitlines() if line.startswith((" ", "Input "))]
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of subtitles, which do not concern us
            parsed = FFmpegInfosParser("\n".join(["", *plain]), "video").parse()
    except Exception:  # whatever it stumbles over, the sound is not to blame
        return None
    told = parsed.get("duration")
    length = told - (start if MATROSKA.search(heading) else 0.0) if isinstance(told, float) else 0.0
    return length if length > 0 else None
