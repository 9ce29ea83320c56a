"""Lists whole files that do not begin as most of their format do: mid-stream, behind other bytes, by another mark."""

from __future__ import annotations

from tests.corpus.recipes import Recipe, altered, beheaded, joined, made, noise, spread, swapped, text

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
    "aac": made("aac", f"{TONE} -c:a aac"),
    "ac3": made("ac3", f"{TONE} -c:a ac3"),
    "eac3": made("eac3", f"{TONE} -c:a eac3"),
    "dts": made("dts", f"{TONE} -c:a dca -strict -2"),
}
ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)


def _box(kind: bytes) -> Recipe:
    return lambda: (24).to_bytes(4) + kind + bytes(16)


FILES: dict[str, Recipe] = {
    **{f"{kind}-that-begins-within-a-frame.{kind}": beheaded(recipe, 101) for kind, recipe in STREAMS.items()},
    **{f"{kind}-behind-zeros.{kind}": joined(lambda: bytes(700), recipe) for kind, recipe in STREAMS.items()},
    **{f"{kind}-behind-an-id3-tag.{kind}": joined(lambda: ID3, recipe) for kind, recipe in (
        *STREAMS.items(), ("ts", TS), ("flac", made("flac", TONE)))},
    **{f"mov-that-begins-with-{mark}.mov": altered(MOV, b"ftyp", mark.encode(), times=1)
       for mark in ("free", "skip", "wide", "junk", "pict", "prfl", "udta", "pnot", "ediw")},
    **{f"mp4-behind-a-box-{kind}.mp4": joined(_box(kind.encode()), FRAGMENTS)
       for kind in ("free", "uuid", "junk", "styp", "sidx")},
    "ts-that-begins-within-a-packet.ts": beheaded(TS, 188 * 20 + 90),
    "ts-that-begins-within-a-frame.ts": beheaded(TS, 188 * 40),
    "ts-behind-noise.ts": joined(noise(300), TS),
    "ts-with-error-correction.ts": spread(TS, 188, bytes(16)),
    "m2ts-that-begins-within-a-packet.m2ts": beheaded(M2TS, 192 * 20 + 90),
    "mpg-that-begins-within-a-pack.mpg": beheaded(MPG, 1500),
    "mpg-behind-zeros.mpg": joined(lambda: bytes(300), MPG),
    "mxf-behind-a-run-in.mxf": joined(lambda: bytes(200), made("mxf", f"{VIDEO} -c:v mpeg2video -c:a pcm_s16le")),
    "wav-as-bw64.wav": altered(made("wav", f"{TONE} -rf64 always"), b"RF64", b"BW64"),
    "avi-as-amv.avi": altered(AVI, b"AVI ", b"AMV "),
    "avi-as-on2.avi": altered(altered(AVI, b"RIFF", b"ON2 "), b"AVI ", b"ON2f"),
    "avi-as-avi-19.avi": altered(AVI, b"AVI ", b"AVI\x19"),
    "flv-of-version-2.flv": altered(made("flv", f"{VIDEO} -c:v flv -c:a aac -ar 44100"), b"FLV\1", b"FLV\2"),
    "dts-of-the-other-byte-order.dts": swapped(STREAMS["dts"]),
    "ac3-of-the-other-byte-order.ac3": swapped(STREAMS["ac3"]),
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
