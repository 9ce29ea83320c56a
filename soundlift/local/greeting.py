"""What `up` prints once everything is ready."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from soundlift.common.settings import Settings
from soundlift.local.addresses import is_loopback
from soundlift.local.program_name import program_name
from soundlift.local.retention import storage_text

MAIL_CAUGHT = "Mail is not sent, but kept in the data folder and shown here."


def greeting(settings: Settings, *, catches_mail: bool) -> str:
    """Return the text; lines that begin with spaces are commands and addresses to copy."""
    data = settings.soundlift_data
    with_data = "" if data == Settings.from_environment().soundlift_data else f" --data {shlex.quote(str(data))}"
    with_url = "" if settings.port == Settings.port else f" --url {settings.gateway_url}"
    return "\n".join(
        [
            f"Open {settings.gateway_url} in a browser.",
            *_about_other_machines(settings),
            "",
            "Add a user:",
            f"  {program_name()} user add you@example.org{with_data}",
            "Convert a video without the browser:",
            f"  {program_name()} convert video.mp4{with_url}",
            "",
            f"Data and logs: {data}",
            storage_text(settings),
            *([MAIL_CAUGHT] if catches_mail else []),
            "Press Ctrl-C to stop.",
        ]
    )


def _about_other_machines(settings: Settings) -> list[str]:
    """Return whether links work on other machines, if others can connect."""
    if is_loopback(settings.host):
        return []
    if not is_loopback(urlsplit(settings.public_url).hostname or ""):
        return [
            f"Other machines: {settings.public_url}",
            "Links in mails begin with that address; set PUBLIC_URL to change it.",
        ]
    return [
        f"Warning: links in mails begin with {settings.public_url}, which works on this machine only; set PUBLIC_URL "
        "to the address that other machines use."
    ]
