"""Write docs/settings.md from the declarations of the settings: `python docs/settings.py`."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from soundlift.common.settings import LOOPBACK, Settings

FILE = Path(__file__).with_suffix(".md")
HEAD = """# Settings

Every setting is an environment variable. A secret may be a file instead, named in lower case with dashes
(`jwt-secret`), in `SECRETS_FOLDER`. Sizes are in bytes and times in seconds. A malformed or missing setting stops the
start with one sentence that names it.

| setting | default | meaning |
|---|---|---|
"""
COMPUTED_DEFAULTS = {
    "SOUNDLIFT_DATA": "the platform's data folder",
    "DATABASE_URL": "`soundlift.db` in the data folder",
    "MEDIA_URL": "`media` in the data folder",
    "BROKER_URL": "`queue.db` in the data folder",
    "SMTP_URL": "`up`: its mail catcher",
    "JWT_SECRET": "none; `up` creates one",
    "CONVERT_CONCURRENCY": "number of CPU cores",
    "CONNECTOR_CONCURRENCY": "number of CPU cores",
    "CONNECTIONS_PER_ADDRESS": "`0`; `up`: `16`",
    "TRUSTED_PROXIES": f"`{LOOPBACK}`",
    "MAX_AUDIO_BITRATE": "`320k`",
    "OUTBOUND_PORTS": "`80,443`",
}


def settings_page() -> str:
    """Return the page, with a row for each setting that users may set."""
    return HEAD + "".join(_row(field) for field in fields(Settings) if not field.metadata["internal"])


def _row(field: Field[Any]) -> str:
    name = field.name.upper()
    secret = " (secret)" if field.metadata["secret"] else ""
    default = COMPUTED_DEFAULTS.get(name) or _default(field.default)
    return f"| `{name}`{secret} | {default} | {field.metadata['help']} |\n"


def _default(value: object) -> str:
    if value is None or value in ("", ()):
        return "empty"
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`"


if __name__ == "__main__":
    FILE.write_text(settings_page(), encoding="utf-8")
