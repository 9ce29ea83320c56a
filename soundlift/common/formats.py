"""Lists the media formats that Soundlift reads: how a file of each begins, and FFmpeg's name for its demuxer."""

from __future__ import annotations

import re
from dataclasses import dataclass

BYTES_TO_TELL = 1024


@dataclass(frozen=True)
class Format:
    """Is one container format: a name for people, FFmpeg's demuxers, and what its first bytes match."""

    name: str
    demuxers: str
    beginning: re.Pattern[bytes]


def _format(name: str, demuxers: str, beginning: bytes) -> Format:
    return Format(name, demuxers, re.compile(beginning, re.DOTALL))


FORMATS = (
    _format("MP4, MOV, 3GP", "mov,mp4,m4a,3gp,3g2,mj2", rb".{4}(?:ftyp|moov|mdat|wide|free|skip|pnot)"),
    _format("MKV, WebM", "matroska,webm", rb"\x1a\x45\xdf\xa3"),
    _format("AVI", "avi", rb"RIFF.{4}AVI[ \x19X]"),
    _format("MPEG-TS", "mpegts", rb"G.{187}G|.{4}G.{191}G|G.{203}G"),
    _format("MPEG", "mpeg", rb"\x00\x00\x01\xba"),
    _format("FLV", "flv", rb"FLV\x01"),
    _format("Ogg", "ogg", rb"OggS"),
    _format("WMV, ASF", "asf,asf_o", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    _format("MXF", "mxf", rb"\x06\x0e\x2b\x34\x02\x05\x01"),
    _format("WAV", "wav", rb"(?:RIFF|RF64|RIFX).{4}WAVE"),
    _format("AIFF", "aiff", rb"FORM.{4}AIF[FC]"),
    _format("CAF", "caf", rb"caff"),
    _format("FLAC", "flac", rb"fLaC|ID3"),
    _format("AMR", "amr", rb"#!AMR"),
    _format("AC-3", "ac3,eac3", rb"\x0b\x77"),
    _format("DTS", "dts", rb"\x7f\xfe\x80\x01"),
    _format("AAC", "aac", rb"\xff[\xf0\xf1\xf8\xf9]|ID3"),
    _format("MP3", "mp3", rb"\xff[\xe2-\xe7\xea-\xef\xf2-\xf7\xfa-\xff]|ID3"),
)
DEMUXERS = ",".join(item.demuxers for item in FORMATS)
NAMES = ", ".join(item.name for item in FORMATS)


def is_known_format(beginning: bytes) -> bool:
    """Tell whether a file that begins so, with BYTES_TO_TELL bytes or all it has, may be media we read."""
    return any(item.beginning.match(beginning) for item in FORMATS)
