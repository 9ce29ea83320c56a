"""Recipes for the bytes of a media file: made by FFmpeg, combined from other recipes, or damaged."""

from __future__ import annotations

import random
import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tests.factories.clips import ffmpeg

Recipe = Callable[[], bytes]


def made(extension: str, arguments: str, *inputs: Recipe) -> Recipe:
    """Return the recipe for a file that FFmpeg writes; `{0}`, `{1}` … in the arguments are the files of `inputs`."""

    def make() -> bytes:
        with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
            words = shlex.split(arguments)
            for number, recipe in enumerate(inputs):
                file = Path(folder) / f"{number}"
                file.write_bytes(recipe())
                words = [word.replace(f"{{{number}}}", str(file)) for word in words]
            return ffmpeg(Path(folder) / f"made.{extension}", *words).read_bytes()

    return make


def text(content: str) -> Recipe:
    return content.encode


def literal(content: bytes) -> Recipe:
    return lambda: content


def noise(size: int, after: bytes = b"") -> Recipe:
    """Append pseudo-random bytes, the same each time, to those in `after`."""
    return lambda: after + random.Random(size).randbytes(size)


def joined(*recipes: Recipe) -> Recipe:
    """Concatenate files."""
    return lambda: b"".join(recipe() for recipe in recipes)


def cut(recipe: Recipe, share: float) -> Recipe:
    """Keep the first part of a file."""

    def make() -> bytes:
        content = recipe()
        return content[: int(len(content) * share)]

    return make


def without_start(recipe: Recipe, count: int) -> Recipe:
    """Drop the first bytes of a file, as in a recording that begins in the middle of a broadcast."""
    return lambda: recipe()[count:]


def overwritten(recipe: Recipe, start: float, end: float) -> Recipe:
    """Overwrite a part of a file with noise; `start` and `end` are shares of its size."""

    def make() -> bytes:
        content = recipe()
        first, last = int(len(content) * start), int(len(content) * end)
        return content[:first] + noise(last - first)() + content[last:]

    return make


def zeroed(recipe: Recipe, start: float, end: float) -> Recipe:
    """Overwrite a part of a file with zeros, as in a download with holes."""

    def make() -> bytes:
        content = recipe()
        first, last = int(len(content) * start), int(len(content) * end)
        return content[:first] + bytes(last - first) + content[last:]

    return make


def altered(recipe: Recipe, old: bytes, new: bytes, *, times: int = -1) -> Recipe:
    """Replace bytes with others of the same length, everywhere or only the first `times` times."""

    def make() -> bytes:
        content = recipe()
        assert old in content
        assert len(old) == len(new)
        return content.replace(old, new, times)

    return make


def byte_swapped(recipe: Recipe) -> Recipe:
    """Swap the bytes of each pair, as in recordings with the other byte order."""

    def make() -> bytes:
        content = bytearray(recipe())
        del content[len(content) // 2 * 2 :]
        content[0::2], content[1::2] = content[1::2], content[0::2]
        return bytes(content)

    return make


def in_14_bits(recipe: Recipe, byteorder: Literal["big", "little"]) -> Recipe:
    """Put 14 bits of a file into each 16-bit sample, as DTS is stored on CDs (ETSI TS 102 114)."""

    def make() -> bytes:
        content = recipe()
        bits = "".join(f"{byte:08b}" for byte in content)
        numbers = (int(bits[start : start + 14], 2) for start in range(0, len(bits) - 13, 14))
        return b"".join(((number ^ 0x2000) - 0x2000).to_bytes(2, byteorder, signed=True) for number in numbers)

    return make


def without_matches(recipe: Recipe, pattern: bytes) -> Recipe:
    """Remove the matches of a pattern, as programs that keep only a part of each packet do."""
    return lambda: re.sub(pattern, b"", recipe(), flags=re.DOTALL)


def interleaved(recipe: Recipe, length: int, padding: bytes, *, before: bytes = b"") -> Recipe:
    """Split a file into blocks of `length` bytes, and put `before` and `padding` around each."""

    def make() -> bytes:
        content = recipe()
        return b"".join(before + content[start : start + length] + padding for start in range(0, len(content), length))

    return make
