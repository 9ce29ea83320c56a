"""Write docs/settings.md from the declarations of the settings: `python docs/settings.py`."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from soundlift.common.settings import Settings

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# Settings

All settings are environment variables. A secret may also be a file in `SECRETS_FOLDER`, named in lower case with dashes
(`jwt-secret`). Sizes are in bytes and times in seconds. A malformed or missing setting stops the start with a sentence
that names it.

This page is written by `docs/settings.py`.

| setting | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """Return the text of the page."""
    return HEAD + "".join(_row(setting) for setting in fields(Settings) if not setting.metadata["internal"])


def _row(setting: Field[Any]) -> str:
    secret = " (secret)" if setting.metadata["secret"] else ""
    return f"| `{setting.name.upper()}`{secret} | {_default(setting)} | {setting.metadata['help']} |\n"


def _default(setting: Field[Any]) -> str:
    if text := setting.metadata["default_text"]:
        return str(text)
    value = setting.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "empty" if value in (None, "", ()) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
