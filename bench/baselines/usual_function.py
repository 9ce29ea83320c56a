"""A conversion as such functions are usually written: with MoviePy, and files read into memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from soundlift.common.services import process_services


def convert(fid: str) -> float:
    """Convert a stored video and return how many seconds it took.

    The video is read into memory, written to a temporary file and opened by MoviePy; the MP3 is read into memory.
    """
    from moviepy import VideoFileClip

    services = process_services()
    began = time.perf_counter()
    with tempfile.NamedTemporaryFile(suffix=".mp4") as temporary:
        temporary.write(services.videos.open(fid).file.read())
        temporary.flush()
        audio = VideoFileClip(temporary.name).audio
    output = Path(tempfile.gettempdir(), f"{fid}.mp3")
    audio.write_audiofile(str(output), bitrate="192k", logger=None)
    data = output.read_bytes()
    (services.settings.soundlift_data / "stored.mp3").write_bytes(data)
    output.unlink()
    audio.close()
    return time.perf_counter() - began
