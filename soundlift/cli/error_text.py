"""Errors as one line of text for a terminal."""

from __future__ import annotations

from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError


def error_text(error: Exception) -> str:
    """Return what happened, with its cause if one is known, in one line without a final full stop."""
    match error:
        case ClientError():
            text = error.detail
        case SoundliftError():
            cause = error.evidence.get("cause")
            text = f"{error.detail.rstrip('.')} ({cause})" if cause else error.detail
        case OSError():
            text = f"{error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}"
        case _:
            text = f"unexpected response ({error!r})"
    return " ".join(text.split()).rstrip(".")
