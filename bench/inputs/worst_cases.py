"""The slowest input for each parser: contents of a file, of FFmpeg's log about it, or of a form."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutagen.id3 import ID3
from werkzeug.exceptions import RequestEntityTooLarge

from functions.convert.encode.levels import read_levels
from functions.convert.encode.run_statistics import read_decoded, read_encoded
from functions.convert.failures import ConversionFailed, find_reason
from functions.convert.formats.id3 import build_id3_tag
from functions.convert.output.missing_sound import Written, missing_seconds
from functions.convert.output.tags import make_tags
from functions.convert.probe.bounded_numbers import read_decimal, read_integer
from functions.convert.probe.ffmpeg_log import FfmpegLog
from functions.convert.probe.metadata import FILE_NAME, NO_METADATA, Metadata, read_metadata
from functions.convert.probe.mp4_boxes import has_protected_sound
from functions.convert.probe.report import read_report
from functions.upload.form import FormReader
from soundlift.common.audio.formats import is_known_format
from soundlift.common.errors import BadRequest
from soundlift.common.file_names import clean_name
from soundlift.common.options.audio_options import AudioOptions

SMALL, LARGE = 2**18, 2**20  # bytes
BLOCK = 2**16


@dataclass(frozen=True)
class WorstCase:
    """Text of about a given size in bytes, its parser, and the expected result."""

    name: str
    make: Callable[[int], bytes]
    read: Callable[[bytes], Any]
    expected: Any


def _read_log(log: bytes) -> str:
    lines = FfmpegLog()
    blocks = (log[at : at + BLOCK] for at in range(0, len(log), BLOCK))
    return "\n".join([*(line for block in blocks for line in lines.read(block)), *lines.end()])


def _rates(log: bytes) -> list[int | None] | str:
    """Return the sample rate of each track in a log, or the code of the failure reason."""
    try:
        probe = read_report(_read_log(log))
    except ConversionFailed as failure:
        return failure.reason.code
    return [track.rate for track in probe.tracks]


def _counts(log: bytes) -> tuple[int, int, int]:
    """Return the samples decoded, encoded and measured according to a log without failures."""
    report = _read_log(HEADING + log)
    assert find_reason(report) is None
    (track,) = read_report(report).tracks
    return read_decoded(report, track.index).samples, read_encoded(report), read_levels(report).samples


def _missing(log: bytes) -> float | None:
    """Return the missing seconds according to a log in which two of three seconds were decoded."""
    report = _read_log(HEADING + log + b"\n" + CLOSE + TWO_SECONDS)
    probe = read_report(report)
    track, written = probe.preferred_track, Written(probe.duration, by_timestamps=True, junk=0)
    return missing_seconds(read_decoded(report, track.index), report, probe, track, written)


def _tag(date: bytes) -> list[str]:
    """Return the dates in the tag that is written for a date."""
    tag = build_id3_tag(make_tags(Metadata({"date": date.decode()}), None, OPTIONS, 1.0))
    return [str(frame) for frame in ID3(io.BytesIO(tag)).getall("TDRC")]


def _tag_in_language(log: bytes) -> list[str]:
    """Return the languages in the tag that is written for the language in a log."""
    tag = build_id3_tag(make_tags(NO_METADATA, read_report(_read_log(log)).preferred_track.language, OPTIONS, 1.0))
    return [str(frame) for frame in ID3(io.BytesIO(tag)).getall("TLAN")]


def _tags(content: bytes) -> tuple[int, int]:
    """Return the numbers of tags and chapters in a metadata file written by FFmpeg."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE_NAME).write_bytes(content)
        metadata = read_metadata(Path(folder))
    return len(metadata.tags), len(metadata.chapters)


def _form(body: bytes) -> int:
    """Return the number of fields and files in a form, or the status if it is refused."""
    try:
        return sum(not isinstance(item, bytes) for item in FormReader(io.BytesIO(body), "frontier", LARGE))
    except BadRequest:
        return 400
    except RequestEntityTooLarge:
        return 413


def _is_protected(content: bytes) -> bool:
    return has_protected_sound(io.BytesIO(content), len(content))


def _number(text: bytes) -> tuple[int | None, float | None]:
    return read_integer(text.decode()), read_decimal(text.decode())


OPEN, CLOSE = b"\x1b[0;31m", b"\x1b[0m"
TIME = b"\x1b[0;37m10:00:00.000 \x1b[0m"  # before each message
TAG = TIME + b"    a"
INPUT = TIME + b"Input #0, matroska,webm, from 'x':\n"
STREAM = TIME + b"  Stream #0:0: Audio: aac (LC), 44100 Hz, mono\n"
HEADING = INPUT + TIME + b"  Duration: 00:00:03.02, start: 0.000000, bitrate: 73 kb/s\n" + STREAM
TWO_SECONDS = (
    TIME + OPEN + b"[in#0/aac @ 0x1]   Input stream #0:0 (audio): 9 packets read (9 bytes); 9 frames decoded; "
    b"0 decode errors (88200 samples); \n" + CLOSE
)
OPTIONS = AudioOptions()
MAX_LANGUAGE = INPUT + TIME + b"  Stream #0:0(en-x-abcdefgh-abcdefgh-abcdefgh-abcdefgh): Audio: aac, 44100 Hz, mono\n"
PART = b"--frontier\r\nContent-Disposition: form-data; name=x"
FILE = PART + b"; filename=x\r\n\r\n"
END_OF_FORM = b"\r\n\r\nx\r\n--frontier--\r\n"


def _language(text: bytes) -> Callable[[int], bytes]:
    """Return a generator of logs of a stream whose language is a repeated text."""
    return _repeated(text, INPUT + TIME + b"  Stream #0:0(", b"): Audio: aac, 44100 Hz, mono\n")


def _message(text: bytes) -> Callable[[int], bytes]:
    """Return a generator of logs with one message of FFmpeg, which is a repeated text."""
    return _repeated(text, TIME + OPEN, b"\n" + CLOSE)


def _messages(text: bytes) -> Callable[[int], bytes]:
    """Return a generator of logs in which each message of FFmpeg is a text."""
    return _repeated(TIME + OPEN + text + b"\n" + CLOSE)


def _fill(text: bytes, size: int) -> bytes:
    return text * (size // len(text))


def _repeated(text: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: before + _fill(text, size) + after


CASES = [
    WorstCase("a language of letters", _language(b"x"), _rates, [44100]),
    WorstCase("a language of line breaks", _language(b"\n"), _rates, [44100]),
    WorstCase("a language of beginnings of streams", _language(b"\n  Stream #0:1("), _rates, [44100]),
    WorstCase("a language of kinds", _language(b": Audio: "), _rates, [44100]),
    WorstCase("a language of streams", _language(b"\n  Stream #0:1: Audio: aac, 1 Hz, mono"), _rates, [44100]),
    WorstCase("a language of rates", _language(b", 1 Hz"), _rates, [44100]),
    WorstCase("streams", _repeated(STREAM, INPUT), _rates, [44100]),
    WorstCase("durations of digits", _repeated(b"1", INPUT + TIME + b"  Duration: ", b"\n" + STREAM), _rates, [44100]),
    WorstCase("tags without a value", _repeated(TIME + b"    a\n", INPUT, HEADING), _rates, [44100]),
    WorstCase("the name of a tag: streams", _repeated(b"\n  Stream #0:0: Audio: none", TAG, HEADING), _rates, [44100]),
    WorstCase("the name of a tag: beginnings", _repeated(b"[0;37m10:00:00.000 ", TAG, HEADING), _rates, [44100]),
    WorstCase("titles of line breaks", _repeated(b"\n                  : ", INPUT + TIME, HEADING), _rates, [44100]),
    WorstCase("no heading", _repeated(b"a\n"), _rates, "not_media"),
    WorstCase("messages: counts in one line", _message(b"Input stream #0:0 (audio): 1 "), _counts, (0, 0, 0)),
    WorstCase("messages: counts in lines", _message(b"[in#0/a @ 0x1]   Input stream #0:0 (audio):\n"), _counts,
              (0, 0, 0)),
    WorstCase("messages: names of components", _message(b"[a @ 0x1] "), _counts, (0, 0, 0)),
    WorstCase("messages: brackets", _message(b"["), _counts, (0, 0, 0)),
    WorstCase("messages: digits", _message(b"1"), _counts, (0, 0, 0)),
    WorstCase("messages: counts in messages", _messages(b"[in#0/a @ 0x1]   Input stream #0:0"), _counts, (0, 0, 0)),
    WorstCase("messages: errors", _messages(b"[a @ 0x1] Error: : : ("), _counts, (0, 0, 0)),
    WorstCase("messages: long lines", _messages(b"Decoder " * 1000), _counts, (0, 0, 0)),
    WorstCase("messages: escape sequences", _message(CLOSE + OPEN), _counts, (0, 0, 0)),
    WorstCase("damage: words", _message(b"a, "), _missing, 0.0),
    WorstCase("damage: words in messages", _messages(b"[a @ 0x1] a b c d e f g h Corrup"), _missing, 0.0),
    WorstCase("damage: reasons", _messages(b"[a @ 0x1] Error: Error: Error: Invalid dat"), _missing, 0.0),
    WorstCase("damage: offsets", _messages(b"[a @ 0x1] stream 1, offset 0x11111111: partial"), _missing, 0.0),
    WorstCase("damage: places", _messages(b"[a @ 0x1] failed to find - partial - partial fil"), _missing, 0.0),
    WorstCase("damage: missing headers", _messages(b"[mp3float @ 0x1] Header missing"), _missing, 0.0),
    WorstCase("damage: damage", _messages(b"[a @ 0x1] Corrupt"), _missing, 1.02),
    WorstCase("tag: a date of digits", _repeated(b"1"), _tag, ["1111"]),
    WorstCase("tag: a date of dates", _repeated(b"2026-01-01"), _tag, ["2026-01-01"]),
    WorstCase("tag: a language of subtags", _language(b"en-"), _tag_in_language, []),
    WorstCase("tag: a language of extensions", _language(b"-x-abcdefgh"), _tag_in_language, []),
    WorstCase("tag: the longest language", _repeated(b" ", MAX_LANGUAGE), _tag_in_language, ["eng"]),
    WorstCase("metadata: backslashes", _repeated(b"\\"), _tags, (0, 0)),
    WorstCase("metadata: escaped line breaks", _repeated(b"\\\n"), _tags, (0, 0)),
    WorstCase("metadata: equals signs", _repeated(b"="), _tags, (1, 0)),
    WorstCase("metadata: letters", _repeated(b"a"), _tags, (0, 0)),
    WorstCase("metadata: one name", _repeated(b"a=b\n"), _tags, (1, 0)),
    WorstCase("metadata: chapters without times", _repeated(b"[CHAPTER]\n"), _tags, (0, 0)),
    WorstCase("metadata: tracks", _repeated(b"[STREAM]\na=b\n"), _tags, (1, 0)),
    WorstCase("metadata: a time of digits", _repeated(b"1", b"[CHAPTER]\nTIMEBASE=1/1\nEND=1\nSTART="), _tags, (0, 0)),
    WorstCase("numbers: digits", _repeated(b"1"), _number, (None, None)),
    WorstCase("numbers: points", _repeated(b"1."), _number, (None, None)),
    WorstCase("boxes of an MP4", _repeated(b"\0\0\0\x08moov"), _is_protected, False),
    WorstCase("formats: AC-3", _repeated(b"\x0b\x77\x0b\x77\0\0", b"\1\2"), is_known_format, True),
    WorstCase("formats: MP3", _repeated(b"\xff\xfb\x90\0", b"\1\2"), is_known_format, True),
    WorstCase("formats: MPEG", _repeated(b"\0\0\x01\xe0", b"\1\2"), is_known_format, True),
    WorstCase("formats: MPEG-TS", _repeated(b"G\0\0\x10\0", b"\1\2"), is_known_format, False),
    WorstCase("formats: DTS", _repeated(b"\x7f\xfe\x80\x01", b"\1\2"), is_known_format, False),
    WorstCase("formats: UTF-16", _repeated(b"a\0", b"\xff\xfe"), is_known_format, False),
    WorstCase("form: parameters", _repeated(b"; a=b", PART, END_OF_FORM), _form, 413),
    WorstCase("form: semicolons", _repeated(b";", PART, END_OF_FORM), _form, 413),
    WorstCase("form: an open quote", _repeated(b'\\"', PART + b'; filename="', END_OF_FORM), _form, 413),
    WorstCase("form: headers of a part", _repeated(b"\r\na:b", PART, END_OF_FORM), _form, 413),
    WorstCase("form: a header of many lines", _repeated(b"\r\n b", PART, END_OF_FORM), _form, 413),
    WorstCase("form: parts", _repeated(PART + b"\r\n\r\nx\r\n"), _form, 413),
    WorstCase("form: beginnings of boundaries before it", _repeated(b"\r\n--frontier "), _form, 400),
    WorstCase("form: beginnings of boundaries in a file", _repeated(b"\r\n--frontie", FILE, END_OF_FORM), _form, 1),
    WorstCase("a file's name", _repeated(b"a/"), lambda text: clean_name(text.decode()), "video"),
]  # fmt: skip
