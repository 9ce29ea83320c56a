"""The signatures of formats: media files are accepted, text and other well-known types are rejected."""

from __future__ import annotations

import random
import subprocess
import sys
from math import sqrt
from pathlib import Path

import pytest

from soundlift.common.audio.formats import DEMUXERS, SIGNATURE_BYTES, is_known_format
from soundlift.common.process.ffmpeg import binary
from tests.corpus.recipes import Recipe, literal, noise, text
from tests.corpus.silent import MAGIC, NO_MEDIA

TONE = "-f lavfi -i sine=duration=1:sample_rate=48000"
NOISE = random.Random(7).randbytes(SIGNATURE_BYTES)


def _is_known(content: bytes) -> bool:
    return is_known_format(content[:SIGNATURE_BYTES])


@pytest.mark.parametrize("extension", [extension for extension in MAGIC if extension != "ts"])
def test_a_file_that_begins_with_a_signature_is_recognized(extension: str) -> None:
    assert _is_known(MAGIC[extension] + bytes(8))


# The first bytes of a file, from the specification of each format.
AUDIO_ONLY = {
    "Monkey's Audio": b"MAC \x96\x0f\0\0\x34\0\0\0\x18\0\0\0\0\0\0\0",
    "TTA": b"TTA1\1\0\2\0\x10\0\x44\xac\0\0",
    "TTA 2": b"TTA2\1\0\2\0\x10\0\x44\xac\0\0",
    "TAK": b"tBaK\1\x0b\0\0\x80\x0d\0\0",
    "WavPack": b"wvpk\xb2\0\0\0\x10\4\0\0",
    "Musepack": b"MP+\x17\x20\0\0\0",
    "Musepack SV8": b"MPCKSH\x0f\x4c\xed\x2d",
    "DSF": b"DSD \x1c\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("name", AUDIO_ONLY)
@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\0\x0a" + bytes(10)])
def test_audio_formats_are_recognized_with_and_without_an_id3_tag(name: str, tag: bytes) -> None:
    assert _is_known(tag + AUDIO_ONLY[name])


def test_ffmpeg_has_each_demuxer() -> None:
    listed = subprocess.run([binary(), "-demuxers"], capture_output=True, text=True, check=True).stdout
    known = {
        name for line in listed.splitlines() if (words := line.split())[:1] == ["D"] for name in words[1].split(",")
    }
    assert set(DEMUXERS.split(",")) <= known


def test_only_the_first_64_kib_are_searched() -> None:
    assert is_known_format(bytes(SIGNATURE_BYTES - 6) + b"OggS\0\0")
    assert not is_known_format(bytes(SIGNATURE_BYTES) + b"OggS\0\0")


# The first bytes of a frame, in hexadecimal, and its length in bytes, from the tables of its standard.
FRAMES = [
    ("MPEG-1, layer III, 128 kbit/s at 44.1 kHz", "fffb9064", 417),
    ("the same, padded", "fffb9264", 418),
    ("MPEG-1, layer III, 320 kbit/s at 32 kHz", "fffbe864", 1440),
    ("MPEG-1, layer II, 384 kbit/s at 32 kHz", "fffde804", 1728),
    ("MPEG-1, layer II, 192 kbit/s at 48 kHz", "fffda404", 576),
    ("MPEG-1, layer I, 128 kbit/s at 32 kHz", "ffff4800", 192),
    ("MPEG-1, layer I with a checksum, 448 kbit/s at 44.1 kHz, padded", "fffee200", 488),
    ("MPEG-2, layer III, 64 kbit/s at 22.05 kHz", "fff38064", 208),
    ("MPEG-2, layer II, 64 kbit/s at 24 kHz", "fff58404", 384),
    ("MPEG-2.5, layer III, 8 kbit/s at 8 kHz", "ffe318c4", 72),
    ("ADTS, MPEG-4, 371 bytes", "fff14c802e7ffc", 371),
    ("ADTS, MPEG-4 with a checksum, 8,191 bytes", "fff04c83fffffc", 8191),
    ("AC-3, 192 kbit/s at 48 kHz", "0b7700001440", 768),
    ("AC-3, 32 kbit/s at 44.1 kHz", "0b7700004040", 138),
    ("the same, padded", "0b7700004140", 140),
    ("AC-3, 640 kbit/s at 32 kHz", "0b770000a540", 3840),
    ("AC-3 at a quarter of the rate", "0b7700001450", 768),
    ("E-AC-3, 768 bytes", "0b77017f3480", 768),
    ("AC-3 in the other byte order", "770b00004014", 768),
    ("AC-3 after a time code", "0110" + "00" * 14 + "0b7700001440", 784),
    ("MPEG-TS", "47010010", 188),
    ("MPEG-TS of Blu-ray", "47010030", 192),
    ("MPEG-TS with error correction", "47010020", 204),
    ("PES, audio", "000001c001fa", 512),
    ("a pack of MPEG-2", "000001ba44000400040100000ff8", 14),
    ("a pack of MPEG-2 with stuffing", "000001ba44000400040100000ffbffffff", 17),
    ("a pack of MPEG-1", "000001ba2100010001800001", 12),
]  # fmt: skip


@pytest.mark.parametrize(("header", "length"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_repeated_frames_are_recognized_after_other_bytes(header: str, length: int) -> None:
    first = bytes.fromhex(header)
    for before in (bytes(1), NOISE[:3001]):
        assert _is_known(before + (first + bytes(length - len(first))) * 5)


@pytest.mark.parametrize(
    ("header", "length"),
    [row[1:] for row in FRAMES if "pack" not in row[0]],
    ids=[row[0] for row in FRAMES if "pack" not in row[0]],
)
def test_a_single_frame_after_other_bytes_is_not_recognized(header: str, length: int) -> None:
    first = bytes.fromhex(header)
    assert not _is_known(NOISE[:3001] + first + bytes(length - len(first)) + NOISE[3001:9000])


@pytest.mark.parametrize(("packets", "known"), [(3, False), (4, True)])
@pytest.mark.parametrize("length", [188, 192, 204])
def test_four_packets_of_a_transport_stream_are_needed_at_their_distance(
    length: int, packets: int, known: bool
) -> None:
    packet = b"G\1\0\x10".ljust(length, b"\0")
    assert _is_known(NOISE[:300] + packet * packets) == known
    assert not _is_known(NOISE[:300] + (packet + b"\0") * packets)


LATER_SIGNATURES: dict[str, bytes] = {
    "MXF's header at its last possible position": bytes(SIGNATURE_BYTES - 14) + MAGIC["mxf"][:14],
    "a tag that fills all searched bytes": b"ID3\4\0\0\1\0\0\0" + bytes(SIGNATURE_BYTES),
    "another such tag": b"APETAGEX\xd0\7\0\0" + bytes(SIGNATURE_BYTES),
    "a tag after zeros": bytes(100) + b"ID3\4\0\0\1\0\0\0" + bytes(SIGNATURE_BYTES),
    "a movie after an unknown box": b"\0\0\x10\0abcd" + bytes(4088) + MAGIC["mp4"],
    "a movie after two boxes": b"\0\0\0\x10abcd" + bytes(8) + b"\0\0\0\x18efgh" + bytes(16) + MAGIC["mp4"],
    "a movie after a box with a 64-bit size": b"\0\0\0\1abcd" + (4096).to_bytes(8) + bytes(4080) + MAGIC["mp4"],
    "a movie to the end of the file": b"\0\0\0\0mdat",
    "frames after a false one": b"\0\xff\xf1" + (b"\xff\xf1\x4c\x80\x2e\x7f\xfc" + bytes(364)) * 3 + bytes(9),
    "the pack of a program stream": NOISE[:999] + bytes.fromhex("000001ba44000400040100000ff8"),
    "DTS": NOISE[:999] + b"\x7f\xfe\x80\1\xfc",
    "DTS in the other byte order": NOISE[:999] + b"\xfe\x7f\1\x80\0\xfc",
    "DTS in words of 14 bits": NOISE[:999] + b"\x1f\xff\xe8\0\7\xf0",
    "DTS in words of 14 bits, in the other byte order": NOISE[:999] + b"\xff\x1f\0\xe8\xf0\7",
    "DTS without a core": NOISE[:999] + b"\x64\x58\x20\x25",
    "Ogg": NOISE[:999] + b"OggS\0\2",
    "FLAC": NOISE[:999] + b"fLaC\0\0\0\x22",
    "FLAC within its frames": (NOISE[:999] + b"\xff\xf8\xc9\x18") * 3,
}  # fmt: skip


@pytest.mark.parametrize("name", LATER_SIGNATURES)
def test_the_signatures_of_some_formats_are_found_at_later_positions(name: str) -> None:
    assert _is_known(LATER_SIGNATURES[name])


OTHER_FILES: dict[str, Recipe] = {
    **{name: recipe for name, recipe in NO_MEDIA.items() if "-of-noise" not in name and "-behind-" not in name},
    "this text": Path(__file__).read_bytes,
    "a page": text("<!doctype html><html><head><title>404</title></head></html>\n" * 2000),
    "JSON": text('{"kind": "ftyp", "id": "OggS", "ID3": true}\n' * 2000),
    "a text in UTF-16 in the other byte order": lambda: b"\xfe\xff" + ("Grüße, Γειά.\n" * 2000).encode("utf-16-be"),
    "a text in UTF-16 cut within a character": lambda: ("🎵" * 9).encode("utf-16")[:-1],
    "subtitles": text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n" * 500),
    "a list of FFmpeg's tags": text(";FFMETADATA1\ntitle=One\n"),
    "a text that begins like a format": text("fLaC, OggS, wvpk and MAC are signatures.\n"),
    "an archive with frames": literal(b"PK\3\4" + (b"\xff\xfb\x90\x64" + bytes(413)) * 5),
    "an image with frames": literal(b"\x89PNG\r\n\x1a\n" + (b"\xff\xfb\x90\x64" + bytes(413)) * 5),
    "a WebP image with frames": literal(b"RIFF\0\0\1\0WEBP" + (b"\xff\xfb\x90\x64" + bytes(413)) * 5),
    "a text in UTF-16": lambda: ("Good day.\n" * 2000).encode("utf-16"),
    "a short text in UTF-16": lambda: "Hi.".encode("utf-16"),
    "lines that repeat a letter at the distance of packets": text(("GET /index " + "x" * 176 + "\n") * 300),
    "a genome": lambda: bytes(random.Random(1).choices(b"ACGT", k=SIGNATURE_BYTES)),
    "a long playlist": text("#EXTM3U\n" + "#EXTINF:10,\nhttp://127.0.0.1/SEGMENT_00001.ts\n" * 1500),
    "a document": noise(SIGNATURE_BYTES, b"PK\3\4\x14\0\6\0\x08\0\0\0!\0" + bytes(16) + b"[Content_Types].xml"),
    "a photo": noise(SIGNATURE_BYTES, b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"),
    "a program": Path(sys.executable).resolve().read_bytes,
    "another program": Path(binary()).read_bytes,
    "white pixels": literal(b"\xff\xff\xff\0" * (SIGNATURE_BYTES // 4)),
    "frames without a valid sample rate": literal(b"\0" + (b"\xff\xf1\x74\x80\x2e\x7f\xfc" + bytes(364)) * 5),
    "two frames of FLAC": literal((NOISE[:999] + b"\xff\xf8\xc9\x18") * 2),
    "zeros": literal(bytes(SIGNATURE_BYTES)),
    "ones": literal(b"\xff" * SIGNATURE_BYTES),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_FILES)
def test_texts_images_archives_programs_and_noise_are_rejected(name: str) -> None:
    assert not _is_known(OTHER_FILES[name]())


@pytest.mark.parametrize("content", [b"\0", b"\0\xdc"])
def test_a_frame_that_begins_like_utf_16_is_not_text(content: bytes) -> None:
    assert _is_known(bytes.fromhex("fffee200") + content * 242)  # MPEG-1, layer I with a checksum


@pytest.mark.slow
def test_random_bytes_are_rejected_except_for_one_file_in_2000() -> None:
    # False positives mostly begin like a frame of MPEG audio, AAC, FLAC or AC-3, or like a box with a name.
    odds = (14 * 224 + 4 * 256 + 2 * 256) / 2**24 + 2 / 2**16 + (95 / 256) ** 4 / 256
    assert odds < 1 / 2000
    source, files = random.Random(2024), 2000
    known = sum(_is_known(source.randbytes(SIGNATURE_BYTES)) for _ in range(files))
    assert known <= files * odds + 5 * sqrt(files * odds)
