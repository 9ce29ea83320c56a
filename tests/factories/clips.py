"""Media files, valid and unusual, made with the FFmpeg that the functions use."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from soundlift.common.process.ffmpeg import binary

SINE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=3:sample_rate=44100")
PICTURE = ("-f", "lavfi", "-i", "testsrc=duration=3:size=64x64:rate=10")
TALKING = (*SINE, *PICTURE, "-c:v", "mpeg4", "-c:a", "aac")
KEY = "76a6c65c5ea762046bd749a2e632ccbb"


def ffmpeg(output: Path, *arguments: str) -> Path:
    """Run FFmpeg with an output file, and return the file."""
    command = [binary(), "-nostdin", "-v", "error", "-y", *arguments, str(output)]
    subprocess.run(command, check=True, capture_output=True)
    return output


def talking_mp4(folder: Path, *more: str, name: str = "talking.mp4") -> Path:
    """Make a video with a three-second tone in 44.1 kHz mono AAC."""
    return ffmpeg(folder / name, *TALKING, *more)


def truncate(file: Path, share: float) -> Path:
    """Truncate a file to a share of its length, in place."""
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    return file


def replace_bytes(file: Path, old: bytes, new: bytes) -> Path:
    """Replace bytes by others of the same length, in place."""
    content = file.read_bytes()
    assert old in content
    assert len(old) == len(new)
    file.write_bytes(content.replace(old, new))
    return file


def _text(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _silent_track(folder: Path) -> Path:
    """Make a fragmented MP4 that declares an audio track without packets."""
    return ffmpeg(
        folder / "announced.mp4", *PICTURE, "-f", "lavfi", "-i", "sine=duration=3", "-map", "0:v", "-map", "1:a",
        "-c:v", "mpeg4", "-c:a", "aac", "-bsf:a", "noise=drop=1", "-movflags", "+frag_keyframe+empty_moov",
    )  # fmt: skip


# Files that cannot be converted: the failure code, a name, and a function that makes the file in a folder.
UNCONVERTIBLE: list[tuple[str, str, Callable[[Path], Path]]] = [
    ("no_audio", "a picture only", lambda f: ffmpeg(f / "p.mp4", *PICTURE, "-c:v", "mpeg4")),
    ("not_media", "random bytes", lambda f: _text(f, "r.mp4", bytes(i * i * 31 % 251 for i in range(5000)))),
    ("not_media", "a text", lambda f: _text(f, "t.mp4", b"hello " * 1000)),
    ("not_media", "no bytes", lambda f: _text(f, "e.mp4", b"")),
    ("cut_off", "an MP4 before its index", lambda f: truncate(talking_mp4(f), 0.6)),
    ("empty_audio", "a track without packets", _silent_track),
    ("drm_protected", "common encryption", lambda f: talking_mp4(f, "-encryption_scheme", "cenc-aes-ctr",
     "-encryption_key", KEY, "-encryption_kid", KEY)),
    ("drm_protected", "FairPlay's mark", lambda f: replace_bytes(talking_mp4(f, "-encryption_scheme", "cenc-aes-ctr",
     "-encryption_key", KEY, "-encryption_kid", KEY), b"enca", b"drms")),
    ("unknown_codec", "an unknown codec", lambda f: replace_bytes(talking_mp4(f, name="u.mkv"), b"A_AAC", b"A_XYZ")),
    ("not_media", "an HLS playlist", lambda f: _text(f, "h.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nx.ts\n")),
]  # fmt: skip

CHAPTERS = b";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=one\n[CHAPTER]\nTIMEBASE=1/1\nSTART=1\nEND=3\ntitle=two\n"


def _with_chapters(folder: Path) -> Path:
    chapters = _text(folder, "chapters.txt", CHAPTERS)
    return ffmpeg(
        folder / "ch.mp4", "-i", str(talking_mp4(folder)), "-i", str(chapters), "-map_chapters", "1", "-c", "copy"
    )


# Files that are converted to an MP3 of three seconds.
CONVERTIBLE: list[tuple[str, Callable[[Path], Path]]] = [
    ("MP4 with its index at the end", talking_mp4),
    ("MP4 with its index in front", lambda f: talking_mp4(f, "-movflags", "+faststart")),
    ("fragmented MP4", lambda f: talking_mp4(f, "-movflags", "+frag_keyframe+empty_moov")),
    ("MP4 with chapters", _with_chapters),
    ("MOV with PCM", lambda f: ffmpeg(f / "p.mov", *SINE, *PICTURE, "-c:v", "mpeg4", "-c:a", "pcm_s16le")),
    ("Matroska", lambda f: talking_mp4(f, name="m.mkv")),
    ("WebM with Opus", lambda f: ffmpeg(f / "w.webm", *SINE, *PICTURE, "-c:v", "libvpx", "-c:a", "libopus")),
    ("AVI with MP3", lambda f: ffmpeg(f / "a.avi", *SINE, *PICTURE, "-c:v", "mpeg4", "-c:a", "libmp3lame")),
    ("MPEG transport stream", lambda f: ffmpeg(f / "t.ts", *SINE, *PICTURE, "-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2")),
    ("MPEG program stream", lambda f: ffmpeg(f / "p.mpg", *SINE, *PICTURE, "-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2")),
    ("Flash video", lambda f: ffmpeg(f / "f.flv", *SINE, *PICTURE, "-c:v", "flv", "-c:a", "aac")),
    ("Windows Media", lambda f: ffmpeg(f / "w.wmv", *SINE, *PICTURE, "-c:v", "wmv2", "-c:a", "wmav2")),
    ("Ogg with Vorbis", lambda f: ffmpeg(f / "o.ogv", *SINE, *PICTURE, "-c:v", "libtheora", "-c:a", "libvorbis")),
    ("3GP with AMR", lambda f: ffmpeg(f / "3.3gp", *SINE, *PICTURE, "-c:v", "mpeg4", "-ar", "8000", "-c:a", "libopencore_amrnb")),
    ("WAV", lambda f: ffmpeg(f / "w.wav", *SINE)),
    ("FLAC", lambda f: ffmpeg(f / "f.flac", *SINE)),
    ("WavPack", lambda f: ffmpeg(f / "w.wv", *SINE)),
    ("TTA", lambda f: ffmpeg(f / "t.tta", *SINE)),
    ("MP3", lambda f: ffmpeg(f / "m.mp3", *SINE)),
    ("AAC", lambda f: ffmpeg(f / "a.aac", *SINE, "-c:a", "aac")),
]  # fmt: skip
