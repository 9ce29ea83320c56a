"""Complete files: every supported container with every codec that FFmpeg can write to it."""

from __future__ import annotations

from tests.corpus.recipes import Recipe, made

PICTURE = "-f lavfi -i testsrc=duration=1:size=32x32:rate=10"

# The container's extension, the video codec, the muxer's options, and the audio codecs, each with its options.
VIDEOS: list[tuple[str, str, str, list[str]]] = [
    ("mp4", "mpeg4", "-strict -2", [
        "aac", "libmp3lame", "mp2", "ac3", "eac3", "dca", "flac", "alac", "libopus", "libvorbis", "truehd",
        "pcm_s16le", "pcm_s24be", "pcm_f32le"]),
    ("mov", "mpeg4", "-strict -2", [
        "aac", "alac", "libmp3lame", "ac3", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le",
        "pcm_f32be", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ima_qt", "adpcm_ms", "adpcm_ima_wav",
        "libopencore_amrnb -ar 8000"]),
    ("mkv", "mpeg4", "-strict -2", [
        "aac", "libmp3lame", "mp2", "ac3", "eac3", "dca", "truehd", "mlp", "flac", "alac", "libopus", "libvorbis",
        "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "adpcm_ms",
        "adpcm_ima_wav", "wmav2", "tta", "wavpack", "real_144 -ar 8000"]),
    ("webm", "libvpx", "", ["libopus", "libvorbis"]),
    ("avi", "mpeg4", "-strict -2", [
        "libmp3lame", "mp2", "ac3", "aac", "dca", "flac", "wmav1", "wmav2", "pcm_u8", "pcm_s16le", "pcm_s24le",
        "pcm_f32le", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha", "libopencore_amrnb -ar 8000"]),
    ("flv", "flv", "", [
        "aac", "libmp3lame", "pcm_s16le", "pcm_u8", "adpcm_swf -ar 22050", "nellymoser -ar 22050", "pcm_alaw -ar 8000",
        "pcm_mulaw -ar 8000", "libopus", "flac", "ac3", "eac3"]),
    ("ts", "mpeg2video -r 25", "-strict -2", ["aac", "libmp3lame", "mp2", "ac3", "eac3", "dca", "libopus", "s302m -ar 48000 -ac 2", "truehd"]),
    ("m2ts", "mpeg2video -r 25", "-strict -2", ["ac3", "eac3", "dca", "truehd", "pcm_bluray -ar 48000 -ac 2"]),
    ("mpg", "mpeg2video -r 25", "", ["mp2", "libmp3lame", "ac3"]),
    ("vob", "mpeg2video -r 25", "-strict -2", ["mp2", "ac3", "dca", "pcm_dvd -ar 48000 -ac 2"]),
    ("ogv", "libtheora", "", ["libvorbis", "libopus", "flac"]),
    ("3gp", "h263 -s 128x96", "", ["aac", "libopencore_amrnb -ar 8000"]),
    ("3g2", "mpeg4", "", ["aac"]),
    ("wmv", "wmv2", "", ["wmav1", "wmav2", "libmp3lame"]),
    ("asf", "mpeg4", "", ["aac", "ac3", "pcm_s16le", "adpcm_ms"]),
    ("mxf", "mpeg2video -r 25", "", ["pcm_s16le -ar 48000", "pcm_s24le -ar 48000"]),
]  # fmt: skip

SOUNDS: list[tuple[str, list[str]]] = [
    ("wav", [
        "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms",
        "adpcm_ima_wav", "adpcm_yamaha", "adpcm_swf -ar 22050", "g722 -ar 16000", "g726 -ar 8000", "libmp3lame", "mp2", "aac", "ac3", "wmav2",
        "pcm_s16le -rf64 always"]),
    ("aiff", [
        "pcm_s8", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_alaw", "pcm_mulaw",
        "adpcm_ima_qt"]),
    ("caf", ["pcm_s16be", "pcm_s24le", "pcm_f32le", "pcm_mulaw", "alac", "adpcm_ima_qt", "flac"]),
    ("m4a", ["aac", "alac", "flac -f mp4"]),
    ("mka", ["aac", "libopus", "flac"]),
    ("oga", ["flac", "libvorbis"]),
    ("ogg", ["libvorbis", "libopus"]),
    ("opus", ["libopus"]),
    ("wma", ["wmav1", "wmav2"]),
    ("flac", ["flac", "flac -sample_fmt s32"]),
    ("aac", ["aac"]),
    ("mp3", ["libmp3lame", "libmp3lame -b:a 64k", "libmp3lame -write_xing 0"]),
    ("mp2", ["mp2"]),
    ("amr", ["libopencore_amrnb -ar 8000"]),
    ("ac3", ["ac3"]),
    ("eac3", ["eac3"]),
    ("dts", ["dca -strict -2"]),
    ("wv", ["wavpack"]),
    ("tta", ["tta"]),
]  # fmt: skip


# Short names for encoders whose name differs from that of their codec.
NAMES = {
    "libmp3lame": "mp3", "libopus": "opus", "libvorbis": "vorbis", "libopencore_amrnb": "amr_nb", "dca": "dts",
    "real_144": "ra_144", "s302m": "smpte-302m", "libmp3lame -b:a 64k": "mp3-at-64k", "libmp3lame -write_xing 0": "mp3-without-its-length",
    "pcm_s16le -rf64 always": "pcm_s16le-as-rf64", "flac -sample_fmt s32": "flac-of-24-bits",
}  # fmt: skip


def _name(codec: str) -> str:
    encoder, *_ = codec.split()
    return NAMES.get(codec) or NAMES.get(encoder) or encoder


def _tone(codec: str) -> str:
    return f"-f lavfi -i sine=duration=1:sample_rate={48000 if 'opus' in codec else 44100}"


VIDEO_FILES: dict[str, Recipe] = {
    f"{container}-with-{_name(codec)}.{container}": made(
        container, f"{PICTURE} {_tone(codec)} -c:v {picture} {options} -c:a {codec}"
    )
    for container, picture, options, codecs in VIDEOS
    for codec in codecs
}
SOUND_FILES: dict[str, Recipe] = {
    f"{container}-of-{_name(codec)}.{container}": made(container, f"{_tone(codec)} -c:a {codec}")
    for container, codecs in SOUNDS
    for codec in codecs
}
