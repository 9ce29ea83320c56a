"""The FFmpeg program of this machine."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path


@cache
def binary() -> str:
    """Return the absolute path of the FFmpeg that the imageio-ffmpeg package ships or finds; raises RuntimeError.

    If the package ships none for this machine, it returns a bare name, which only a shell would look up in PATH.
    """
    import imageio_ffmpeg

    found = str(imageio_ffmpeg.get_ffmpeg_exe())
    return str(Path(shutil.which(found) or found).absolute())
