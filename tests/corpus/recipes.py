"""Makes the bytes of one media file: by FFmpeg, of other recipes, or by breaking what a recipe gives."""

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
    """Return the recipe for what FFmpeg writes; `{0}`, `{1}` … in its arguments stand for the inputs' files."""

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


def given(content: bytes) -> Recipe:
    return lambda: content


def noise(size: int, after: bytes = b"") -> Recipe:
    """Return bytes without any order, the same each time, after those given."""
    return lambda: after + random.Random(size).randbytes(size)


def joined(*recipes: Recipe) -> Recipe:
    """Return the files one behind the other."""
    return lambda: b"".join(recipe() for recipe in recipes)


def cut(recipe: Recipe, share: float) -> Recipe:
    """Keep the first part of a file."""

    def make() -> bytes:
        content = recipe()
        return content[: int(len(content) * share)]

    return make


def beheaded(recipe: Recipe, count: int) -> Recipe:
    """Drop the first bytes of a file, as a recording does that begins in the middle of a broadcast."""
    return lambda: recipe()[count:]


def overwritten(recipe: Recipe, start: float, end: float) -> Recipe:
    """Put noise where a share of a file's bytes was, from one share to another."""

    def make() -> bytes:
        content = recipe()
        first, last = int(len(content) * start), int(len(content) * end)
        return content[:first] + noise(last - first)() + content[last:]

    return make


def zeroed(recipe: Recipe, start: float, end: float) -> Recipe:
    """Put zeros there, as a download with holes does."""

    def make() -> bytes:
        content = recipe()
        first, last = int(len(content) * start), int(len(content) * end)
        return content[:first] + bytes(last - first) + content[last:]

    return make


def altered(recipe: Recipe, old: bytes, new: bytes, *, times: int = -1) -> Recipe:
    """Replace bytes by as many others, everywhere or only the first times."""

    def make() -> bytes:
        content = recipe()
        assert old in content
        assert len(old) == len(new)
        return content.replace(old, new, times)

    return make


def swapped(recipe: Recipe) -> Recipe:
    """Exchange the bytes of each pair, as recorders of the other byte order do."""

    def make() -> bytes:
        content = bytearray(recipe())
        del content[len(content) // 2 * 2 :]
        content[0::2], content[1::2] = content[1::2], content[0::2]
        return bytes(content)

    return make


def in_14_bits(recipe: Recipe, byteorder: Literal["big", "little"]) -> Recipe:
    """Put 14 bits of a file into each sample of 16, as DTS is written on CDs (ETSI TS 102 114)."""

    def make() -> bytes:
        content = recipe()
        bits = "".join(f"{byte:08b}" for byte in content)
        numbers = (int(bits[start : start + 14], 2) for start in range(0, len(bits) - 13, 14))
        return b"".join(((number ^ 0x2000) - 0x2000).to_bytes(2, byteorder, signed=True) for number in numbers)

    return make


def without(recipe: Recipe, pattern: bytes) -> Recipe:
    """Leave out what a pattern matches, as a program does that keeps but a part of each packet."""
    return lambda: re.sub(pattern, b"", recipe(), flags=re.DOTALL)


def spread(recipe: Recipe, length: int, padding: bytes, *, before: bytes = b"") -> Recipe:
    """Put bytes behind every so many, and before them."""

    def make() -> bytes:
        content = recipe()
        return b"".join(before + content[start : start + length] + padding for start in range(0, len(content), length))

    return make
