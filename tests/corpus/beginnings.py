"""Complete files with unusual beginnings: mid-stream, after other bytes, or with a rare signature."""

from __future__ import annotations

from tests.corpus.recipes import (
    Recipe,
    altered,
    byte_swapped,
    in_14_bits,
    interleaved,
    joined,
    literal,
    made,
    noise,
    text,
    without_matches,
    without_start,
)

TONE = "-f lavfi -i sine=duration=2:sample_rate=48000"
PICTURE = "-f lavfi -i testsrc=duration=2:size=32x32:rate=25"
VIDEO = f"{PICTURE} {TONE}"
TS = made("ts", f"{VIDEO} -c:v mpeg2video -c:a mp2")
M2TS = made("m2ts", f"{VIDEO} -c:v mpeg2video -c:a ac3")
MPG = made("mpg", f"{VIDEO} -c:v mpeg2video -c:a mp2")
MOV = made("mov", f"{VIDEO} -c:v mpeg4 -c:a aac")
AVI = made("avi", f"{VIDEO} -c:v mpeg4 -c:a libmp3lame")
FRAGMENTS = made("mp4", f"{VIDEO} -c:v mpeg4 -c:a aac -movflags +frag_keyframe+empty_moov+default_base_moof")
STREAMS: dict[str, Recipe] = {
    "mp3": made("mp3", f"{TONE} -c:a libmp3lame -write_xing 0 -id3v2_version 0"),
    "mp2": made("mp2", f"{TONE} -c:a mp2"),
    "aac": made("aac", f"{TONE} -c:a aac"),
    "ac3": made("ac3", f"{TONE} -c:a ac3"),
    "eac3": made("eac3", f"{TONE} -c:a eac3"),
    "dts": made("dts", f"{TONE} -c:a dca -strict -2"),
}
ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
LONG_ID3 = b"ID3\4\0\0\0\4\0\0" + bytes(65_536)
APE = b"APETAGEX\xd0\7\0\0\x22\0\0\0\1\0\0\0\0\0\0\xa0" + bytes(8) + b"\2\0\0\0\0\0\0\0Artist\0me"
HTTP = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-name: One\r\n\r\n"
# FFmpeg has no encoder for layer I, but a frame without bits for any subband is silence.
LAYER_1 = (b"\xff\xff\x48\0" + bytes(188)) * 90


def _box(kind: bytes, size: int = 24) -> Recipe:
    return lambda: size.to_bytes(4) + kind + bytes(size - 8)


FILES: dict[str, Recipe] = {
    **{f"{kind}-that-begins-within-a-frame.{kind}": without_start(recipe, 101) for kind, recipe in STREAMS.items()},
    **{f"{kind}-behind-zeros.{kind}": joined(lambda: bytes(700), recipe) for kind, recipe in STREAMS.items()},
    **{f"{kind}-behind-an-id3-tag.{kind}": joined(lambda: ID3, recipe) for kind, recipe in (
        *STREAMS.items(), ("ts", TS), ("flac", made("flac", TONE)))},
    **{f"mov-that-begins-with-{mark}.mov": altered(MOV, b"ftyp", mark.encode(), times=1)
       for mark in ("free", "skip", "wide", "junk", "pict", "prfl", "udta", "pnot", "ediw")},
    **{f"mp4-behind-a-box-{kind}.mp4": joined(_box(kind.encode()), FRAGMENTS)
       for kind in ("free", "uuid", "junk", "styp", "sidx")},
    "mp4-behind-a-box-that-nobody-knows.mp4": joined(_box(b"abcd", 5000), FRAGMENTS),
    "mp4-behind-a-long-box.mp4": joined(_box(b"uuid", 70_000), FRAGMENTS),
    "mp4-behind-a-box-of-64-bits.mp4": joined(literal(b"\0\0\0\1abcd" + (516).to_bytes(8) + bytes(500)), FRAGMENTS),
    **{f"mp3-behind-{name}.mp3": joined(literal(before), STREAMS["mp3"]) for name, before in [
        ("a-long-id3-tag", LONG_ID3), ("zeros-and-a-long-id3-tag", bytes(9) + LONG_ID3), ("an-ape-tag", APE),
        ("a-server-s-answer", HTTP), ("many-zeros", bytes(50_000))]},
    "mp3-of-8-khz-that-begins-within-a-frame.mp3": without_start(made("mp3", f"{TONE} -c:a libmp3lame -ar 8000"), 301),
    "mp1-that-begins-within-a-frame.mp1": without_start(literal(LAYER_1), 101),
    "ac3-with-time-codes.ac3": interleaved(STREAMS["ac3"], 384, b"", before=b"\x01\x10" + bytes(14)),
    "dts-of-14-bits.dts": in_14_bits(STREAMS["dts"], "big"),
    "dts-of-14-bits-of-the-other-byte-order.dts": in_14_bits(STREAMS["dts"], "little"),
    "flac-without-its-header.flac": without_matches(made("flac", TONE), rb"^fLaC.*?(?=\xff\xf8)"),
    "ts-that-begins-within-a-packet.ts": without_start(TS, 188 * 20 + 90),
    "ts-that-begins-within-a-frame.ts": without_start(TS, 188 * 40),
    "ts-behind-noise.ts": joined(noise(300), TS),
    "ts-with-error-correction.ts": interleaved(TS, 188, bytes(16)),
    "m2ts-that-begins-within-a-packet.m2ts": without_start(M2TS, 192 * 20 + 90),
    "mpg-that-begins-within-a-pack.mpg": without_start(MPG, 1500),
    "ts-with-error-correction-that-begins-within-a-packet.ts": without_start(interleaved(TS, 188, bytes(16)), 1000),
    "m2ts-behind-noise.m2ts": joined(noise(300), M2TS),
    "mpg-without-packs.mpg": without_matches(MPG, rb"\0\0\x01\xba[\x40-\x7f].{9}"),
    "mpg-on-a-video-cd.dat": joined(literal(b"RIFF\0\0\2\0CDXAfmt " + bytes(28)), interleaved(
        made("mpg", f"{VIDEO} -target pal-vcd"), 2324, bytes(4), before=b"\0" + b"\xff" * 10 + bytes(13))),
    "mpg-behind-zeros.mpg": joined(lambda: bytes(300), MPG),
    "mxf-behind-a-run-in.mxf": joined(lambda: bytes(200), made("mxf", f"{VIDEO} -c:v mpeg2video -c:a pcm_s16le")),
    "wav-as-bw64.wav": altered(made("wav", f"{TONE} -rf64 always"), b"RF64", b"BW64"),
    "avi-as-amv.avi": altered(AVI, b"AVI ", b"AMV "),
    "avi-as-on2.avi": altered(altered(AVI, b"RIFF", b"ON2 "), b"AVI ", b"ON2f"),
    "avi-as-avi-19.avi": altered(AVI, b"AVI ", b"AVI\x19"),
    "flv-of-version-2.flv": altered(made("flv", f"{VIDEO} -c:v flv -c:a aac -ar 44100"), b"FLV\1", b"FLV\2"),
    "dts-of-the-other-byte-order.dts": byte_swapped(STREAMS["dts"]),
    "ac3-of-the-other-byte-order.ac3": byte_swapped(STREAMS["ac3"]),
    "dts-in-a-wav.wav": made("wav", "-f dts -i {0} -c copy", STREAMS["dts"]),
    "ac3-as-spdif-in-a-wav.wav": made("wav", "-f s16le -ar 48000 -ac 2 -i {0} -c copy", made("spdif", f"{TONE} -c:a ac3")),
    "mp3-twice.mp3": joined(STREAMS["mp3"], STREAMS["mp3"]),
    "aac-twice.aac": joined(STREAMS["aac"], STREAMS["aac"]),
    "aac-of-two-rates.aac": joined(STREAMS["aac"], made("aac", f"{TONE} -c:a aac -ar 22050")),
    "ogg-twice.ogg": joined(made("ogg", f"{TONE} -c:a libvorbis"), made("ogg", f"{TONE} -c:a libvorbis")),
    "flac-twice.flac": joined(made("flac", TONE), made("flac", TONE)),
    "ts-of-two-layouts.ts": joined(TS, made("ts", f"{VIDEO} -c:v mpeg2video -c:a mp2 -ac 2 -ar 44100")),
    "ts-of-two-clocks.ts": joined(TS, TS),
    "mkv-twice.mkv": joined(*[made("mkv", f"{VIDEO} -c:v mpeg4 -c:a aac")] * 2),
    "flv-twice.flv": joined(*[made("flv", f"{VIDEO} -c:v flv -c:a aac -ar 44100")] * 2),
    "mp4-before-a-text.mp4": joined(FRAGMENTS, text("and so on\n" * 100)),
    "mp3-before-noise.mp3": joined(STREAMS["mp3"], noise(2000)),
}  # fmt: skip
