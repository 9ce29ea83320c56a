"""Runs FFmpeg behind a fence: what it may open, read, write and use, and how it is stopped."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO

from soundlift.common.formats import DEMUXERS
from soundlift.common.settings import Settings

from .report import Sound

LONGEST_REPORT = 256 * 1024
SECONDS_TO_DIE = 5

# No protocol but the one that reaches our range server, and no demuxer that opens further addresses, such as
# playlists: an uploaded file decides neither what is read nor what is connected to.
FENCE = ("-protocol_whitelist", "http,tcp", "-format_whitelist", DEMUXERS)

# FFmpeg scales a downmix of integer samples down until it can never clip, but not one of float samples. This
# keeps the coefficients as they are for both.
UNSCALED = "aresample=rematrix_maxval=1000"

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
KEPT_TAGS = ("title", "artist", "album", "album_artist", "composer", "genre", "track", "disc")


@dataclass(frozen=True)
class Outcome:
    """Is how a run of FFmpeg ended: its status (negative: a signal), its report, and the seconds it wrote."""

    status: int
    report: str
    seconds: float


@cache
def binary() -> str:
    """Return the path of the FFmpeg that the imageio-ffmpeg package ships."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def looking_at(url: str) -> list[str]:
    """Return the arguments that make FFmpeg report what a file has, and nothing else."""
    return ["-i", url]


def making_mp3(url: str, output: Path, sound: Sound, settings: Settings) -> list[str]:
    """Return the arguments that make an MP3 of the sound at a URL.

    FFmpeg picks the track, keeps mono and stereo, and mixes more channels down with the coefficients of
    ITU-R BS.775.
    """
    quality = ["-b:a", settings.audio_bitrate] if settings.audio_bitrate else ["-q:a", "2"]
    resample = ["-ar", str(nearest_rate(sound.rate))] if sound.rate else []
    limit = ["-fs", str(settings.max_mp3_bytes)]
    return [
        *("-progress", "pipe:1", "-stats_period", "0.5", "-i", url, "-vn", "-sn", "-dn"),
        *("-af", UNSCALED, "-c:a", "libmp3lame", *quality, *resample, *_tags(sound)),
        *("-id3v2_version", "4", "-write_xing", "1", *limit, "-f", "mp3", "-y", str(output)),
    ]


def _tags(sound: Sound) -> list[str]:
    """Return the arguments that keep what music players show, and drop the rest: where and when, and on which phone."""
    source = ["-map_metadata", "0:s:a:0"] if sound.tags_on_stream else []
    private = sorted(tag for tag in sound.tags if tag.lower() not in KEPT_TAGS)
    return [*source, *(part for tag in private for part in ("-metadata", f"{tag}="))]


def nearest_rate(rate: int) -> int:
    """Return the sample rate nearest to `rate`, in Hz, that MP3 has (ISO/IEC 11172-3 and 13818-3, and MPEG 2.5)."""
    return min(MP3_RATES, key=lambda allowed: abs(allowed - rate))


class Ffmpeg:
    """Is one run of FFmpeg, under limits, with nothing of our environment."""

    def __init__(self, arguments: Sequence[str], settings: Settings) -> None:
        self._process = subprocess.Popen(
            [binary(), "-hide_banner", "-nostdin", "-nostats", *FENCE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C"},
            start_new_session=True,
        )
        _limit(self._process.pid, settings)

    def kill(self) -> None:
        """End it at once, from any thread."""
        self._process.kill()

    def wait(self, on_progress: Callable[[float], None] | None = None) -> Outcome:
        """Return how it ended, having told `on_progress` the seconds of sound written, twice a second."""
        assert self._process.stdout is not None and self._process.stderr is not None
        report = _Report(self._process.stderr)
        seconds = 0.0
        with self._process:
            for line in self._process.stdout:
                name, _, value = line.decode("ascii", "replace").strip().partition("=")
                if name == "out_time_us" and value.lstrip("-").isdigit():
                    seconds = max(0.0, int(value) / 1e6)
                    if on_progress is not None:
                        on_progress(seconds)
            text = report.text()
        return Outcome(self._process.returncode, text, seconds)


class _Report:
    """Drains a stream in a thread, keeping its beginning up to a limit, so that no report fills the memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._thread = Thread(target=self._drain, name="ffmpeg-report", daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join()
        return self._kept.decode("utf-8", "replace")

    def _drain(self) -> None:
        while block := self._stream.read1(65536):  # type: ignore[attr-defined] # a pipe's buffered reader has it
            self._kept += block[: LONGEST_REPORT - len(self._kept)]


def _limit(pid: int, settings: Settings) -> None:
    """Limit processor time, memory, file size and core dumps of a process; Linux alone can do so from outside.

    FFmpeg gets no byte of the video before this is done. Elsewhere the limits on the clock and on the
    MP3's size still hold.
    """
    if not hasattr(resource, "prlimit"):
        return
    seconds = settings.max_conversion_seconds
    resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + SECONDS_TO_DIE))
    resource.prlimit(pid, resource.RLIMIT_AS, (settings.max_memory_bytes, settings.max_memory_bytes))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (settings.max_mp3_bytes + 2**20, settings.max_mp3_bytes + 2**20))
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
