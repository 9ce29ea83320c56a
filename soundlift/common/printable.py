"""Text from outside, as it can be shown on one line."""

from __future__ import annotations


def printable(text: str, replacement: str = "") -> str:
    """Return a text with each character replaced that is not printable, such as a line break or a surrogate."""
    return "".join(letter if letter.isprintable() else replacement for letter in text)
