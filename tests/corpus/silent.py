"""Files without sound: no audio track, no media, an unsupported format, or only its signature."""

from __future__ import annotations

from tests.corpus.recipes import Recipe, altered, cut, joined, made, noise, text
from tests.factories.clips import KEY

TONE = "-f lavfi -i sine=duration=1:sample_rate=48000"
PICTURE = "-f lavfi -i testsrc=duration=1:size=32x32:rate=25"
VIDEO = f"{PICTURE} {TONE}"
ENCRYPTED = f"-encryption_scheme cenc-aes-ctr -encryption_key {KEY} -encryption_kid {KEY}"
MP4 = made("mp4", f"{VIDEO} -c:v mpeg4 -c:a aac")

# The beginning of a file of each format, which is followed by noise.
MAGIC: dict[str, bytes] = {
    "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2",
    "mkv": b"\x1a\x45\xdf\xa3",
    "avi": b"RIFF\0\0\1\0AVI LIST",
    "ts": (b"G" + bytes(187)) * 8,
    "mpg": b"\0\0\1\xba",
    "flv": b"FLV\1\5\0\0\0\x09\0\0\0\0",
    "ogg": b"OggS\0\2",
    "wmv": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c",
    "mxf": b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\0",
    "wav": b"RIFF\0\0\1\0WAVE",
    "aiff": b"FORM\0\0\1\0AIFF",
    "caf": b"caff\0\1\0\0",
    "flac": b"fLaC",
    "amr": b"#!AMR\n",
    "mp3": b"ID3\4\0\0\0\0\0\0",
}
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nts-with-mp2.ts\n#EXT-X-ENDLIST\n"
DASH = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period/></MPD>\n'

NO_AUDIO: dict[str, Recipe] = {
    **{
        f"{extension}-without-sound.{extension}": made(extension, f"{PICTURE} -c:v {codec}")
        for extension, codec in {
            "mp4": "mpeg4", "mov": "mpeg4", "mkv": "mpeg4", "webm": "libvpx", "avi": "mpeg4", "flv": "flv",
            "ts": "mpeg2video", "mpg": "mpeg2video", "ogv": "libtheora", "wmv": "wmv2", "mxf": "mpeg2video",
        }.items()
    },
    "mp4-without-packets-of-sound.mp4": made(
        "mp4", f"{VIDEO} -c:v mpeg4 -c:a aac -bsf:a noise=drop=1 -movflags +frag_keyframe+empty_moov"),
    "mkv-without-packets-of-sound.mkv": made("mkv", f"{VIDEO} -c:v mpeg4 -c:a aac -bsf:a noise=drop=1"),
    "mkv-of-no-known-codec.mkv": altered(made("mkv", f"{VIDEO} -c:v mpeg4 -c:a aac"), b"A_AAC", b"A_XYZ"),
    "mkv-of-packets-all-garbled.mkv": made("mkv", f"{VIDEO} -c:v mpeg4 -c:a flac -bsf:a noise=amount=1"),
    "mp4-without-its-index.mp4": cut(MP4, 0.6),
    "wav-without-samples.wav": made("wav", f"{TONE} -frames:a 0"),
}  # fmt: skip

PROTECTED: dict[str, Recipe] = {
    "mp4-encrypted.mp4": made("mp4", f"{VIDEO} -c:v mpeg4 -c:a aac {ENCRYPTED}"),
    "mp4-encrypted-in-fragments.mp4": made(
        "mp4", f"{VIDEO} -c:v mpeg4 -c:a aac {ENCRYPTED} -movflags +frag_keyframe+empty_moov"),
    "m4a-encrypted-as-fairplay.m4a": altered(made("m4a", f"{TONE} {ENCRYPTED} -f mp4"), b"enca", b"drms"),
}  # fmt: skip

NO_MEDIA: dict[str, Recipe] = {
    "empty.mp4": text(""),
    "one-byte.mp3": text("\0"),
    "zeros.mp4": lambda: bytes(5000),
    "noise.mp4": noise(5000),
    "text.mp3": text("hello " * 1000),
    "page.mp4": text("<!doctype html><title>404</title><p>Not found</p>\n" * 30),
    "hls-playlist.mp4": text(HLS),
    "hls-playlist.m3u8": text(HLS),
    "concat-playlist.mkv": text("ffconcat version 1.0\nfile ts-with-mp2.ts\n"),
    "dash-playlist.mp4": text(DASH),
    "session.mp4": text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
    "picture.png": made("png", f"{PICTURE} -frames:v 1"),
    "picture.jpg": made("jpg", f"{PICTURE} -frames:v 1"),
    "animation.gif": made("gif", PICTURE),
    "archive.zip": noise(2000, b"PK\3\4"),
    "document.pdf": noise(2000, b"%PDF-1.7\n"),
    **{f"{extension}-of-noise.{extension}": noise(4000, magic) for extension, magic in MAGIC.items()},
    "playlist-behind-an-mp4-beginning.mp4": joined(lambda: MAGIC["mp4"], text(HLS)),
}

OTHER_FORMATS: dict[str, Recipe] = {
    f"{extension}-of-{codec.split()[0]}.{extension}": made(extension, f"{TONE} -c:a {codec}")
    for extension, codec in [
        ("w64", "pcm_s16le"), ("au", "pcm_s16be"), ("nut", "pcm_s16le"),
        ("voc", "pcm_u8"), ("latm", "aac"), ("thd", "truehd -strict -2"), ("rm", "ac3"), ("sox", "pcm_s32le"),
    ]
}  # fmt: skip
