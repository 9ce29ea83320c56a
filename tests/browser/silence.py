"""Sound files of any size, which are fast to make and to convert."""

from __future__ import annotations

from pathlib import Path

SAMPLE_RATE = 44_100


def silent_wav(folder: Path, name: str, kilobytes: int) -> Path:
    """Write a silent WAV file of a size, and return its path."""
    size = kilobytes * 1000
    header = b"RIFF" + (size + 36).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
    header += SAMPLE_RATE.to_bytes(4, "little") + (2 * SAMPLE_RATE).to_bytes(4, "little") + b"\x02\0\x10\0data"
    file = folder / name
    file.write_bytes(header + size.to_bytes(4, "little") + bytes(size))
    return file
