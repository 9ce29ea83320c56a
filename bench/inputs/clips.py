"""Makes the videos that the rows use in build/bench, unless they exist."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

FOLDER = Path("build", "bench")


def ffmpeg(*arguments: str) -> list[str]:
    """Return a command line for the FFmpeg that the functions use."""
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", *arguments]


def clip(seconds: int) -> Path:
    """Return a 720p video with stereo AAC."""
    sources = ("-f", "lavfi", "-i", f"anoisesrc=d={seconds}:r=44100:color=pink:a=0.3",
               "-f", "lavfi", "-i", f"testsrc2=d={seconds}:s=1280x720:r=25")  # fmt: skip
    codecs = ("-ac", "2", "-c:a", "aac", "-b:a", "128k", "-c:v", "mpeg4", "-q:v", "6")
    return _made(f"{seconds}-seconds.mp4", [*sources, *codecs])


def clip_with_mp3(seconds: int) -> Path:
    """Return the same video with MP3 at 128 kbit/s."""
    codecs = ("-c:v", "copy", "-c:a", "libmp3lame", "-b:a", "128k")
    return _made(f"{seconds}-seconds-mp3.mp4", ["-i", str(clip(seconds)), *codecs])


def clip_4k(seconds: int) -> Path:
    """Return a 4K video with stereo AAC and 65 Mbit/s of H.264 pictures, which repeat every four seconds.

    Half a second of sound follows half a second of pictures, about as phones and cameras record.
    """
    source = ("-f", "lavfi", "-i", "testsrc2=d=4:s=3840x2160:r=30,noise=alls=20")
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30")
    pictures = (*source, *x264, "-b:v", "63M", "-maxrate", "63M", "-bufsize", "32M")
    loop = ("-stream_loop", str(seconds // 4), "-i", str(_made("4k-pictures.mp4", pictures)))
    noise = ("-f", "lavfi", "-i", f"anoisesrc=d={seconds}:r=48000:color=pink:a=0.3")
    codecs = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-ac", "2", "-c:a", "aac", "-b:a", "128k")
    interleaved = ("-chunk_duration", "500000", "-t", str(seconds))
    return _made(f"{seconds}-seconds-4k.mp4", [*loop, *noise, *codecs, *interleaved])


def uncompressed(seconds: int) -> Path:
    """Return a video with uncompressed pictures, about 35 MB per second."""
    sources = ("-f", "lavfi", "-i", f"testsrc2=d={seconds}:s=1280x720:r=25", "-f", "lavfi", "-i", f"sine=d={seconds}")
    codecs = ("-pix_fmt", "yuv420p", "-c:v", "rawvideo", "-c:a", "aac")
    return _made(f"{seconds}-seconds-uncompressed.mkv", [*sources, *codecs])


def compressed(megabytes: int) -> Path:
    """Return a file that begins like an MP4 and continues with random bytes, which look like compressed video."""
    file = FOLDER / f"{megabytes}-megabytes.mp4"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"draft-{file.name}")
        draft.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + os.urandom(megabytes * 10**6))
        draft.replace(file)
    return file


def _made(name: str, arguments: Sequence[str]) -> Path:
    file = FOLDER / name
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"draft-{name}")
        subprocess.run(ffmpeg("-y", *arguments, str(draft)), check=True)
        draft.replace(file)
    return file
