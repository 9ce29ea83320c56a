"""The supported media formats: their signatures and FFmpeg's names of their demuxers."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

SIGNATURE_BYTES = 64 * 1024
"""The number of bytes searched for signatures: the maximum that may precede MXF's header (SMPTE ST 377-1)."""

MIN_REPETITIONS = 3
TEXT_BYTES = bytes({*b"\t\n\f\r\x1b", *range(0x20, 0x100)})
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Images, archives, documents and programs: a frame header may occur in them several times by chance.
OTHER_SIGNATURES = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|PK\x03\x04|\x1f\x8b\x08|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|%PDF|\x7fELF|MZ",
    re.DOTALL,
)


@dataclass(frozen=True)
class Format:
    """A container format or raw stream: its display name, FFmpeg's demuxers, and its signatures.

    A file has the format if `start` matches its first bytes, if `anywhere` matches at any position, or if
    `frame_header` occurs several times with the same content: a raw stream may begin within a frame or with other data.
    """

    name: str
    demuxers: str
    start: re.Pattern[bytes] | None
    anywhere: re.Pattern[bytes] | None
    frame_header: re.Pattern[bytes] | None

    def matches(self, beginning: bytes) -> bool:
        """Return whether the first bytes of a file contain a signature of this format."""
        if self.start and self.start.match(beginning):
            return True
        if self.anywhere and self.anywhere.search(beginning):
            return True
        headers = Counter(self.frame_header.findall(beginning)) if self.frame_header else {}
        return max(headers.values(), default=0) >= MIN_REPETITIONS


def _format(
    name: str, demuxers: str, start: bytes = b"", *, anywhere: bytes = b"", frame_header: bytes = b""
) -> Format:
    patterns = (re.compile(each, re.DOTALL) if each else None for each in (start, anywhere, frame_header))
    return Format(name, demuxers, *patterns)


def _ts_packets(length: int) -> bytes:
    """Return a pattern: four packets of `length` bytes with payload or adaptation field (ISO/IEC 13818-1, 2.4.3.2)."""
    header = rb"G..[\x10-\x3f\x50-\x7f\x90-\xbf\xd0-\xff]"
    return header + rb"(?:.{%d}%s){3}" % (length - 4, header)


FORMATS = (
    # A box (ISO/IEC 14496-12, 4.2): of any type if below 16 MiB, or of any size if FFmpeg probes for its type.
    _format("MP4, MOV, 3GP", "mov,mp4,m4a,3gp,3g2,mj2", rb"\0.{3}[ -~]{4}|.{4}(?:"
            rb"ftyp|moov|mdat|pnot|udta|ediw|wide|free|junk|pict|skip|uuid|prfl|\x82\x82\x7f\x7d)"),
    _format("MKV, WebM", "matroska,webm", rb"\x1a\x45\xdf\xa3"),
    _format("AVI", "avi", rb"RIFF.{4}(?:AVI[ \x19X]|AMV )|ON2 .{4}ON2f"),
    # Plain packets, packets preceded by arrival times (Blu-ray), or followed by error correction (ETSI EN 300 421).
    _format("MPEG-TS", "mpegts", anywhere=b"|".join(map(_ts_packets, (188, 192, 204)))),
    # At the start, a packet (ISO/IEC 13818-1, 2.4.3.6); anywhere, a pack header (2.5.3.3, or ISO/IEC 11172-1).
    _format("MPEG", "mpeg", rb"\0\0\x01[\xba-\xef]", anywhere=rb"\0\0\x01\xba[\x20-\x2f\x40-\x7f]",
            frame_header=rb"\0\0\x01[\xbd\xc0-\xef]"),
    _format("FLV", "flv", rb"FLV[\0-\x04].\0"),
    _format("Ogg", "ogg", rb"OggS", anywhere=rb"OggS\0[\0-\x07]"),
    _format("WMV, ASF", "asf,asf_o", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    _format("MXF", "mxf", anywhere=rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"),
    _format("WAV", "wav", rb"(?:RIFF|RIFX|RF64|BW64).{4}WAV[ES]"),
    _format("AIFF", "aiff", rb"FORM.{4}AIF[FC]"),
    _format("CAF", "caf", rb"caff"),
    # RFC 9639, 8.2 and 9.1.
    _format("FLAC", "flac", rb"fLaC|\xff[\xf8\xf9]", anywhere=rb"fLaC\0\0\0\x22",
            frame_header=rb"\xff[\xf8\xf9][\x10-\xef](?=[\0-\xaf])"),
    _format("Monkey's Audio", "ape", rb"MAC "),
    _format("TTA", "tta", rb"TTA[12]"),
    _format("TAK", "tak", rb"tBaK"),
    _format("WavPack", "wv", rb"wvpk"),
    _format("Musepack", "mpc,mpc8", rb"MPCK|MP\+"),
    _format("DSF", "dsf", rb"DSD "),
    _format("AMR", "amr", rb"#!AMR"),
    # In either byte order (ETSI TS 102 366, 4.3.1); the code of rate and length repeats, the checksum differs.
    _format("AC-3", "ac3,eac3", rb"\x0b\x77|\x77\x0b", frame_header=rb"\x0b\x77..(.)|\x77\x0b...(.)"),
    # In either byte order, in words of 16 or 14 bits, and the extension without a core (ETSI TS 102 114).
    _format("DTS", "dts", anywhere=rb"\x7f\xfe\x80\x01[\xfc-\xff]|\xfe\x7f\x01\x80.[\xfc-\xff]"
            rb"|\x1f\xff\xe8\x00\x07[\xf0-\xff]|\xff\x1f\x00\xe8[\xf0-\xff]\x07|\x64\x58\x20\x25"),
    # ISO/IEC 14496-3, 1.A.2.2; there are 13 sample rates.
    _format("AAC", "aac", rb"\xff[\xf0\xf1\xf8\xf9]",
            frame_header=rb"\xff[\xf0\xf1\xf8\xf9][\0-\x33\x40-\x73\x80-\xb3\xc0-\xf3]"),
    # ISO/IEC 11172-3, 2.4.2.3, and 13818-3.
    _format("MP3", "mp3", rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]|\0*ID3|APETAGEX",
            frame_header=rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]"),
)  # fmt: skip
DEMUXERS = ",".join(item.demuxers for item in FORMATS)
FORMAT_NAMES = ", ".join(item.name for item in FORMATS)


def is_known_format(beginning: bytes) -> bool:
    """Return whether a file may be supported media, judging by its first SIGNATURE_BYTES.

    It may be if it is neither text nor of another well-known type, and contains the signature of a format. FFmpeg makes
    the final decision: a file that is not media despite its signature becomes a failed job.
    """
    beginning = beginning[:SIGNATURE_BYTES]
    if OTHER_SIGNATURES.match(beginning) or _is_text(beginning):
        return False
    return any(item.matches(beginning) for item in FORMATS)


def _is_text(beginning: bytes) -> bool:
    """Return whether bytes are text without control characters, in UTF-16 or in an encoding that extends ASCII."""
    if not beginning.startswith(UTF_16_MARKS):
        return not beginning.translate(None, TEXT_BYTES)
    try:
        characters = codecs.getincrementaldecoder("utf-16")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return not any(unicodedata.category(each) == "Cc" and each not in "\t\n\f\r" for each in characters)
