"""What an audio file contains, in a few words."""

from __future__ import annotations

from soundlift.client import Job

TITLES = {
    "aac": "AAC",
    "alac": "ALAC",
    "opus": "Opus",
    "vorbis": "Vorbis",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
}
LAYOUTS = {1: "mono", 2: "stereo"}


def codec_title(codec: str) -> str:
    """Return what people call a codec that FFmpeg names, such as PCM for pcm_s16le."""
    return "PCM" if codec.startswith("pcm_") else TITLES.get(codec, codec.upper())


def sound_text(job: Job) -> str:
    """Return a description such as "AAC, 128 kbit/s, 48 kHz, stereo, copied"; empty if the server sent none."""
    parts = (
        codec_title(job.codec) if job.codec else None,
        f"{job.bitrate} kbit/s" if job.bitrate else None,
        f"{job.sample_rate / 1000:g} kHz" if job.sample_rate else None,
        LAYOUTS.get(job.channels, f"{job.channels} channels") if job.channels else None,
        _copied(job),
    )
    return ", ".join(part for part in parts if part)


def _copied(job: Job) -> str | None:
    """Return whether a track was copied, and which part of the source if not all of it."""
    if job.cut:
        return f"copied from {job.cut.start:g} s to {job.cut.end:g} s"
    return "copied" if job.copied else None


def short_sound_text(job: Job) -> str:
    """Return a description such as "m4a 128k copied" for a column; empty if there is no audio file."""
    if not job.ready:
        return ""
    parts = (job.format or "mp3", f"{job.bitrate}k" if job.bitrate else None, "copied" if job.copied else None)
    return " ".join(part for part in parts if part)
