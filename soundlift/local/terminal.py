"""Messages for the person at the terminal."""

from __future__ import annotations

import os
import sys
import textwrap
from contextlib import suppress
from typing import TextIO

LITERAL = "  "  # a line that begins so is a command or an address to copy, and stays as it is


def print_message(text: str) -> None:
    """Print a message and flush it; a closed terminal is ignored, so that Soundlift keeps running."""
    with suppress(OSError):
        print(wrap(text, sys.stdout), flush=True)


def wrap(text: str, stream: TextIO | None, *, prefix: str = "", indent: str = "") -> str:
    """Break the lines of a text between words to fit the terminal of a stream; elsewhere, leave them as they are.

    `prefix` is put before the first line of each, `indent` before its further ones. Lines that begin with LITERAL are
    not broken.
    """
    width = _width(stream)
    return "\n".join(_fill(line, width, prefix, indent) for line in text.split("\n"))


def _width(stream: TextIO | None) -> int | None:
    """Return the width of the terminal that a stream writes to; None if it writes elsewhere, or it is unknown."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream is not None else None
    except (OSError, ValueError):
        return None


def _fill(line: str, width: int | None, prefix: str, indent: str) -> str:
    if width is None or line.startswith(LITERAL):
        return f"{prefix}{line}".rstrip()
    return textwrap.fill(
        line,
        width,
        initial_indent=prefix,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
