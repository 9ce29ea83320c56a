"""Checks of what a conversion needs on this machine: FFmpeg, its sandbox, space, and open files."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec

from soundlift.cli.doctor.finding import Check, Finding, failed, ok, skipped, warning
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from soundlift.common.sizes import size_text

ENCODERS = ("libmp3lame", "aac", "libopus", "flac", "pcm_s16le", "pcm_s24le", "pcm_f32le")
FFMPEG_SECONDS = 10
MIN_OPEN_FILES = 1024
NOT_HERE = "not installed here; convert checks its own when it starts (/_/ready)"


def check_ffmpeg(services: Services) -> Iterator[Finding]:
    """Yield one finding for FFmpeg, and one for its sandbox."""
    if find_spec("imageio_ffmpeg") is None:
        yield skipped("ffmpeg", NOT_HERE)
        return
    program = binary()
    version = _run(program, "-version").split(" Copyright")[0].removeprefix("ffmpeg version ")
    found = set(re.findall(r"^ A\S+ (\S+)", _run(program, "-encoders"), re.MULTILINE))
    if missing := [name for name in ENCODERS if name not in found]:
        advice = "unset IMAGEIO_FFMPEG_EXE to use the FFmpeg that imageio-ffmpeg ships"
        yield failed("ffmpeg", f"{program} (version {version}) has no encoder {', '.join(missing)}", advice)
    else:
        yield ok("ffmpeg", f"version {version}, with every encoder that is needed")
    yield _check_sandbox(services)


def _run(program: str, option: str) -> str:
    command = [program, "-hide_banner", option]
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=FFMPEG_SECONDS, check=True
    ).stdout


def _check_sandbox(services: Services) -> Finding:
    if services.settings.sandbox == "off":
        return warning("sandbox", "SANDBOX is off: FFmpeg is not confined", "set SANDBOX to auto or required")
    if services.sandbox.confines:
        return ok("sandbox", "FFmpeg is confined")
    return warning(
        "sandbox", "this system does not support it: FFmpeg is not confined", "see docs/security.md for what it needs"
    )


def check_machine(services: Services) -> Iterator[Finding]:
    """Yield one finding for the folder of temporary files, and one for the limit of open files."""
    yield _check_temporary_folder(services.settings.max_audio_bytes, services.settings.convert_concurrency)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MIN_OPEN_FILES:
        advice = f"raise it to at least {MIN_OPEN_FILES} (ulimit -n, LimitNOFILE, or the container's limit)"
        yield warning("open files", f"the limit is {soft}", advice)
    else:
        yield ok("open files", "no limit" if soft == resource.RLIM_INFINITY else f"the limit is {soft}")


def _check_temporary_folder(max_audio_bytes: int, conversions: int) -> Finding:
    """Check the space for the largest audio files of all conversions at once, each with a copy with tags."""
    folder = tempfile.gettempdir()
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(4096))
    free = shutil.disk_usage(folder).free
    detail = f"{size_text(free)} are free in {folder}"
    if free < max_audio_bytes * conversions:
        advice = "free some space, set TMPDIR to another disk, or lower MAX_AUDIO_BYTES or CONVERT_CONCURRENCY"
        return warning("temporary files", f"{detail}, less than MAX_AUDIO_BYTES for each conversion", advice)
    return ok("temporary files", detail)


FFMPEG = Check("ffmpeg", "install imageio-ffmpeg again, or set IMAGEIO_FFMPEG_EXE to a working FFmpeg", check_ffmpeg)
MACHINE = Check("temporary files", "set TMPDIR to a folder that can be written", check_machine)
