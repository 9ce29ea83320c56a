"""What upload takes for media: whatever FFmpeg reads, wherever it begins; and hardly anything else."""

from __future__ import annotations

import random
import sys
from itertools import combinations
from math import sqrt
from pathlib import Path

import pytest

from functions.convert.encode.ffmpeg import binary
from soundlift.common.audio.formats import SIGNATURE_BYTES, is_known_format
from tests.corpus.recipes import Recipe, beheaded, cut, given, joined, made, noise, text
from tests.corpus.silent import MAGIC, NO_MEDIA

TONE = "-f lavfi -i sine=duration=1:sample_rate=48000"
NOISE = random.Random(7).randbytes(SIGNATURE_BYTES)


def _known(content: bytes) -> bool:
    return is_known_format(content[:SIGNATURE_BYTES])


@pytest.mark.parametrize("extension", [extension for extension in MAGIC if extension not in ("ts", "mpg")])
def test_a_file_that_begins_as_its_format_does_is_known_at_once(extension: str) -> None:
    assert _known(MAGIC[extension])


def test_no_more_than_the_first_bytes_are_looked_at_however_many_came_at_once() -> None:
    assert is_known_format(bytes(SIGNATURE_BYTES - 6) + b"OggS\0\0")
    assert not is_known_format(bytes(SIGNATURE_BYTES) + b"OggS\0\0")


# The first bytes of a frame, in hexadecimal, and how many it has, by the tables of its standard.
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
    ("AC-3 of a quarter of the rate", "0b7700001450", 768),
    ("E-AC-3, 768 bytes", "0b77017f3480", 768),
    ("AC-3 of the other byte order", "770b00004014", 768),
    ("AC-3 behind a time code", "0110" + "00" * 14 + "0b7700001440", 784),
    ("MPEG-TS", "47010010", 188),
    ("MPEG-TS of Blu-ray", "47010030", 192),
    ("MPEG-TS with error correction", "47010020", 204),
    ("PES, sound", "000001c001fa", 512),
    ("PES, pictures", "000001e0e000", 57350),
    ("a pack of MPEG-2", "000001ba44000400040100000ff8", 14),
    ("a pack of MPEG-2 with stuffing", "000001ba44000400040100000ffbffffff", 17),
    ("a pack of MPEG-1", "000001ba2100010001800001", 12),
]  # fmt: skip


@pytest.mark.parametrize(("header", "length"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_frames_in_a_row_are_known_behind_anything_and_only_at_their_length(header: str, length: int) -> None:
    first = bytes.fromhex(header)
    for behind in (bytes(1), NOISE[:3001]):
        assert _known(behind + (first + bytes(length - len(first))) * 5)
        assert not _known(behind + (first + bytes(length + 1 - len(first))) * 5)


@pytest.mark.parametrize(("header", "length"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_one_frame_behind_anything_is_not_enough(header: str, length: int) -> None:
    first = bytes.fromhex(header)
    assert not _known(NOISE[:3001] + first + bytes(length - len(first)) + NOISE[3001:9000])


# Layer III at 44.1, 48, 32 and 22.05 kHz, the last by MPEG-2, and layer II at 32 kHz.
KINDS = [("fffb9064", 417), ("fffb9464", 384), ("fffb9864", 576), ("fff38064", 208), ("fffde804", 1728)]


@pytest.mark.parametrize(("one", "other"), list(combinations(KINDS, 2)))
def test_frames_of_several_rates_or_layers_are_no_stream(one: tuple[str, int], other: tuple[str, int]) -> None:
    first, second = (bytes.fromhex(header) + bytes(length - 4) for header, length in (one, other))
    assert _known(b"\0" + first * 3)
    assert _known(b"\0" + second * 3)
    assert not _known(b"\0" + (first + second) * 3)


# An encoder adds a frame of silence to the one asked for.
FEW: dict[str, Recipe] = {
    "two of MPEG audio": joined(noise(500), made("mp2", f"{TONE} -c:a mp2 -frames:a 1")),
    "two of AC-3": joined(noise(500), made("ac3", f"{TONE} -c:a ac3 -frames:a 1")),
    "two of AAC": joined(noise(500), made("aac", f"{TONE} -c:a aac -frames:a 1")),
    "one of AAC": given(b"\xff\xf1\x4c\x80\x2e\x7f\xfc" + bytes(364)),
    "one of AC-3": cut(made("ac3", f"{TONE} -c:a ac3 -frames:a 1"), 0.5),
    "the last ones of MP3": beheaded(made("mp3", f"{TONE} -c:a libmp3lame"), -500),
    "four packets of MPEG-TS": joined(noise(300), given((b"G\1\0\x10" + bytes(184)) * 4)),
}


@pytest.mark.parametrize("name", FEW)
def test_the_few_frames_of_a_short_file_are_known(name: str) -> None:
    assert _known(FEW[name]())


FURTHER_ON: dict[str, bytes] = {
    "MXF's header, as far on as it may be": bytes(SIGNATURE_BYTES - 14) + MAGIC["mxf"][:14],
    "a tag longer than what is looked at": b"ID3\4\0\0\1\0\0\0" + bytes(SIGNATURE_BYTES),
    "another tag longer than that": b"APETAGEX\xd0\7\0\0" + bytes(SIGNATURE_BYTES),
    "a tag behind zeros": bytes(100) + b"ID3\4\0\0\1\0\0\0" + bytes(SIGNATURE_BYTES),
    "a movie behind a box nobody knows": b"\0\0\x10\0abcd" + bytes(4088) + MAGIC["mp4"],
    "a movie behind two boxes": b"\0\0\0\x10abcd" + bytes(8) + b"\0\0\0\x18efgh" + bytes(16) + MAGIC["mp4"],
    "a movie behind a box of 64 bits": b"\0\0\0\1abcd" + (4096).to_bytes(8) + bytes(4080) + MAGIC["mp4"],
    "a movie behind what is too short for a box": b"\0\0\0\4" + MAGIC["mp4"],
    "a movie to the end of the file": b"\0\0\0\0mdat",
    "frames behind what looks like one": b"\0\xff\xf1" + (b"\xff\xf1\x4c\x80\x2e\x7f\xfc" + bytes(364)) * 3 + bytes(9),
    "DTS": NOISE[:999] + b"\x7f\xfe\x80\1\xfc",
    "DTS of the other byte order": NOISE[:999] + b"\xfe\x7f\1\x80\0\xfc",
    "DTS of 14 bits": NOISE[:999] + b"\x1f\xff\xe8\0\7\xf0",
    "DTS of 14 bits, of the other byte order": NOISE[:999] + b"\xff\x1f\0\xe8\xf0\7",
    "DTS without a core": NOISE[:999] + b"\x64\x58\x20\x25",
    "Ogg": NOISE[:999] + b"OggS\0\2",
    "FLAC": NOISE[:999] + b"fLaC\0\0\0\x22",
    "FLAC within its frames": (NOISE[:999] + b"\xff\xf8\xc9\x18") * 3,
}  # fmt: skip


@pytest.mark.parametrize("name", FURTHER_ON)
def test_what_tells_a_format_is_known_further_on(name: str) -> None:
    assert _known(FURTHER_ON[name])


NOTHING: dict[str, Recipe] = {
    **{name: recipe for name, recipe in NO_MEDIA.items() if "-of-noise" not in name and "-behind-" not in name},
    "this text": Path(__file__).read_bytes,
    "a page": text("<!doctype html><html><head><title>404</title></head></html>\n" * 2000),
    "JSON": text('{"kind": "ftyp", "id": "OggS", "ID3": true}\n' * 2000),
    "a text in UTF-16": lambda: ("Good day.\n" * 2000).encode("utf-16"),
    "a short text in UTF-16": lambda: "Hi.".encode("utf-16"),
    "lines with the same letter, packet after packet": text(("GET /index " + "x" * 176 + "\n") * 300),
    "a genome": lambda: bytes(random.Random(1).choices(b"ACGT", k=SIGNATURE_BYTES)),
    "a long playlist": text("#EXTM3U\n" + "#EXTINF:10,\nhttp://127.0.0.1/SEGMENT_00001.ts\n" * 1500),
    "a document": noise(SIGNATURE_BYTES, b"PK\3\4\x14\0\6\0\x08\0\0\0!\0" + bytes(16) + b"[Content_Types].xml"),
    "a photo": noise(SIGNATURE_BYTES, b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"),
    "a program": Path(sys.executable).resolve().read_bytes,
    "another program": Path(binary()).read_bytes,
    "calls in machine code": given(b"\xe9\xe0\xff\xff\xff\xff\x25\x14\x2f\0\0\x68\1\0\0\0" * 4096),
    "white pixels": given(b"\xff\xff\xff\0" * (SIGNATURE_BYTES // 4)),
    "frames of no sample rate": given(b"\0" + (b"\xff\xf1\x74\x80\x2e\x7f\xfc" + bytes(364)) * 5),
    "four packets within noise": given(NOISE[:999] + (b"G\1\0\x10" + bytes(184)) * 4 + NOISE[1000:]),
    "two frames of FLAC": given((NOISE[:999] + b"\xff\xf8\xc9\x18") * 2),
    "zeros": given(bytes(SIGNATURE_BYTES)),
    "ones": given(b"\xff" * SIGNATURE_BYTES),
    "a box of nothing, to the end": given(b"\0\0\0\0abcd" + MAGIC["mp4"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_plainly_no_media_is_refused(name: str) -> None:
    assert not _known(NOTHING[name]())


def test_random_bytes_are_refused_but_for_one_file_in_4000() -> None:
    # The first bytes of an MP3's frame, of AAC's or FLAC's, and of AC-3's; and anywhere, those of DTS without a core.
    odds = 12 * 224 / 2**24 + 4 / 2**16 + 1 / 2**16 + SIGNATURE_BYTES / 2**32
    assert odds < 1 / 3900
    source, files = random.Random(2024), 10_000
    known = sum(is_known_format(source.randbytes(4096)) for _ in range(files))
    assert known <= files * odds + 5 * sqrt(files * odds)
