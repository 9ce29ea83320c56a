"""Untrusted text, made safe to show on one line."""

from __future__ import annotations


def printable(text: str, replacement: str = "") -> str:
    """Return a text with each unprintable character, such as a line break or a surrogate, replaced."""
    return "".join(letter if letter.isprintable() else replacement for letter in text)
