"""The video that the demo converts if none is named: a moving test picture and a short melody, made by FFmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

from soundlift.common.process.process_group import process_group

NAME = "melody.mp4"
SECONDS = 8
NOTES_PER_SECOND = 4
BASE_HZ = 220
SEMITONES = (0, 4, 7, 12, 16, 12, 7, 4, 2, 5, 9, 14, 17, 14, 9, 5)  # above BASE_HZ; two broken chords
PICTURE = f"testsrc2=size=640x360:rate=25:duration={SECONDS}"


def make_demo_video(folder: Path) -> Path:
    """Write the video to a folder and return its path; raises CalledProcessError."""
    import imageio_ffmpeg

    target = folder / NAME
    sound = f"aevalsrc='0.4*sin(2*PI*t*{_frequency()})*exp(-5*mod(t,1/{NOTES_PER_SECOND}))':s=44100:d={SECONDS}"
    subprocess.run(
        [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error"),
            *("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", sound),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "160k"),
            *("-metadata", "title=Soundlift's demo", "-movflags", "+faststart", "-y", str(target)),
        ],
        check=True,
        process_group=process_group(),
    )
    return target


def _frequency() -> str:
    """Return FFmpeg's expression for the frequency at time `t`."""
    position = f"mod(floor(t*{NOTES_PER_SECOND}),{len(SEMITONES)})"
    semitone = "+".join(f"eq({position},{number})*{height}" for number, height in enumerate(SEMITONES))
    return f"{BASE_HZ}*pow(2,({semitone})/12)"
