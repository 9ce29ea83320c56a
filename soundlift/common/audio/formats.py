"""Lists the media formats that Soundlift reads: how a file of each is told, and FFmpeg's name for its demuxer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.audio.frame_chains import has_ac3, has_adts, has_mpeg_audio, has_ps_packets, has_ts_packets

BYTES_TO_TELL = 64 * 1024
"""How much is looked at: as much as may be before MXF's header (SMPTE ST 377-1), or as FFmpeg skips before an MP3."""

TEXT = bytes({*b"\t\n\f\r\x1b", *range(0x20, 0x100)})
# Those that FFmpeg's probe knows; it steps over all others.
BOXES = frozenset(b"ftyp moov mdat pnot udta ediw wide free junk pict skip uuid prfl \x82\x82\x7f\x7d".split())


@dataclass(frozen=True)
class Format:
    """Is one container format: a name for people, FFmpeg's demuxers, and what its first bytes match.

    A file may begin with something else, too, or within a frame: then `is_in` finds the format further on.
    """

    name: str
    demuxers: str
    first: re.Pattern[bytes]
    is_in: Callable[[bytes], object]


def _format(
    name: str, demuxers: str, first: bytes = rb"(?!)", is_in: Callable[[bytes], object] = lambda _: False
) -> Format:
    return Format(name, demuxers, re.compile(first, re.DOTALL), is_in)


def _search(pattern: bytes) -> Callable[[bytes], object]:
    return re.compile(pattern, re.DOTALL).search


def _has_box(beginning: bytes) -> bool:
    """Tell whether a known box is among the first ones (ISO/IEC 14496-12, 4.2), as FFmpeg looks for them."""
    place = 0
    while place + 8 <= len(beginning):
        size, kind = int.from_bytes(beginning[place : place + 4]), beginning[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(beginning[place + 8 : place + 16])
        if kind in BOXES:
            return True
        if size == 0:
            return False
        place += size if size >= 8 else 4
    return False


def _has_flac(beginning: bytes) -> bool:
    """Tell whether FLAC's own header is there, or three frames that begin alike, by RFC 9639, 8.2 and 9.1."""
    frames = re.findall(rb"\xff[\xf8\xf9][\x10-\xef](?=[\0-\xaf])", beginning)
    return b"fLaC\0\0\0\x22" in beginning or max(Counter(frames).values(), default=0) >= 3


FORMATS = (
    _format("MP4, MOV, 3GP", "mov,mp4,m4a,3gp,3g2,mj2", is_in=_has_box),
    _format("MKV, WebM", "matroska,webm", rb"\x1a\x45\xdf\xa3"),
    _format("AVI", "avi", rb"RIFF.{4}(?:AVI[ \x19X]|AMV )|ON2 .{4}ON2f"),
    _format("MPEG-TS", "mpegts", is_in=has_ts_packets),
    _format("MPEG", "mpeg", is_in=has_ps_packets),
    _format("FLV", "flv", rb"FLV[\0-\x04].\0"),
    _format("Ogg", "ogg", rb"OggS", _search(rb"OggS\0[\0-\x07]")),
    _format("WMV, ASF", "asf,asf_o", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    _format("MXF", "mxf", is_in=_search(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02")),
    _format("WAV", "wav", rb"(?:RIFF|RIFX|RF64|BW64).{4}WAV[ES]"),
    _format("AIFF", "aiff", rb"FORM.{4}AIF[FC]"),
    _format("CAF", "caf", rb"caff"),
    _format("FLAC", "flac", rb"fLaC|\xff[\xf8\xf9]", _has_flac),
    _format("AMR", "amr", rb"#!AMR"),
    _format("AC-3", "ac3,eac3", rb"\x0b\x77", has_ac3),
    _format("DTS", "dts", is_in=_search(
        # Each order of bytes of 16 or 14 bits, and the extension alone (ETSI TS 102 114).
        rb"\x7f\xfe\x80\x01[\xfc-\xff]|\xfe\x7f\x01\x80.[\xfc-\xff]"
        rb"|\x1f\xff\xe8\x00\x07[\xf0-\xff]|\xff\x1f\x00\xe8[\xf0-\xff]\x07|\x64\x58\x20\x25")),
    _format("AAC", "aac", rb"\xff[\xf0\xf1\xf8\xf9]", has_adts),
    _format("MP3", "mp3", rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd][\x10-\xef]|\0*ID3|APETAGEX", has_mpeg_audio),
)  # fmt: skip
DEMUXERS = ",".join(item.demuxers for item in FORMATS)
NAMES = ", ".join(item.name for item in FORMATS)


def is_known_format(beginning: bytes) -> bool:
    """Tell whether a file that begins so may be media we read, by the first BYTES_TO_TELL of these bytes.

    FFmpeg has the last word, and what it reads is not refused here, unless it looks further for its format than this.
    Of files of random bytes, one in 4,000 is let through: for the 12 to 16 bits that a raw stream's first frame
    begins with. A text holds no stream, whatever letters it has.
    """
    beginning = beginning[:BYTES_TO_TELL]
    if any(item.first.match(beginning) for item in FORMATS):
        return True
    is_text = not beginning.translate(None, TEXT)
    return not is_text and any(item.is_in(beginning) for item in FORMATS)
