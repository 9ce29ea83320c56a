"""Measures one conversion against the bare FFmpeg command on the same file: `python bench/convert_lone.py`."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from functions.convert.ffmpeg import binary
from functions.convert.handler import convert
from soundlift.common.events import event_of
from soundlift.common.media import MediaInfo
from soundlift.common.migrations import migrate
from soundlift.common.services import Services
from soundlift.common.settings import Settings

CLIP = Path("build", "bench", "ten-minutes.mp4")
ROUNDS = 5
BLOCK = 2**20


def make_clip() -> Path:
    """Return ten minutes of 720p with stereo AAC, made once."""
    if not CLIP.exists():
        CLIP.parent.mkdir(parents=True, exist_ok=True)
        draft = CLIP.with_name(f"draft-{CLIP.name}")
        sources = ("-f", "lavfi", "-i", "anoisesrc=d=600:r=44100:color=pink:a=0.3",
                   "-f", "lavfi", "-i", "testsrc2=d=600:s=1280x720:r=25")  # fmt: skip
        codecs = ("-ac", "2", "-c:a", "aac", "-b:a", "128k", "-c:v", "mpeg4", "-q:v", "6")
        subprocess.run([binary(), "-nostdin", "-v", "error", "-y", *sources, *codecs, str(draft)], check=True)
        draft.replace(CLIP)
    return CLIP


def bare(clip: Path, output: Path) -> float:
    """Return the seconds of the plain FFmpeg command, from file to file."""
    began = time.perf_counter()
    command = [binary(), "-nostdin", "-v", "error", "-y", "-i", str(clip), "-vn", "-c:a", "libmp3lame", "-q:a", "2"]
    subprocess.run([*command, str(output)], check=True)
    return time.perf_counter() - began


def ours(clip: Path, services: Services) -> float:
    """Return the seconds from the event to the MP3 in the store and the row saying so."""
    name, job = clip.name, None
    job = services.jobs.receive(username="a@b.c", file_name=name, content_type="video/mp4", traceparent=None)
    writer = services.videos.create(job.video_fid, MediaInfo("a@b.c", name, "video/mp4", job.id))
    with clip.open("rb") as file:
        while block := file.read(BLOCK):
            writer.write(block)
    services.jobs.queue(job.id, video_bytes=writer.commit())
    event = event_of(services.jobs.find(job.id) or job)
    began = time.perf_counter()
    assert convert(event, services) is not None
    took = time.perf_counter() - began
    services.videos.delete(job.video_fid)
    return took


def main() -> None:
    """Take turns, after one round that is not counted, and print the medians and their ratio."""
    clip = make_clip()
    with tempfile.TemporaryDirectory(prefix="soundlift-bench-") as folder:
        services = Services(Settings.from_environment({"SOUNDLIFT_DATA": folder}))
        migrate(services.settings.database_url)
        pairs = [(bare(clip, Path(folder, "bare.mp3")), ours(clip, services)) for _ in range(ROUNDS + 1)][1:]
    baseline, own = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"bare FFmpeg {baseline:.2f} s, convert {own:.2f} s, ratio {own / baseline:.2f}, of {ROUNDS} pairs")
    print("pairs:", ", ".join(f"{one:.2f}/{other:.2f}" for one, other in pairs))


if __name__ == "__main__":
    main()
