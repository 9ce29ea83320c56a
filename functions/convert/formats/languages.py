"""The languages of tracks, as codes of three letters."""

from __future__ import annotations

import re

ALPHA_3 = re.compile(r"[a-z]{3}")


def alpha_3(language: str | None) -> str | None:
    """Return a language as a code of three letters (ISO 639-2), or None if there is none."""
    if language is None or ALPHA_3.fullmatch(language):
        return language
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(language).to_alpha3()
    except (LanguageTagError, LookupError):
        return None
