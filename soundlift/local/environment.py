"""Tells the processes of one machine its addresses and files, unless the user has said otherwise."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from soundlift.common.auth.gateway_login import user_of
from soundlift.common.settings import ALL_ADDRESSES, Settings

HERE = "127.0.0.1"

STACK_FILE = Path(__file__).parents[2] / "stack.yml"
DRAIN_SECONDS = "5"
CONNECTIONS_PER_ADDRESS = "16"  # half of THREADS: one address cannot hold a function; a browser opens six
# As in the images: glibc keeps the memory of freed password hashes, and of blocks of uploads, otherwise.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4194304", "MALLOC_TRIM_THRESHOLD_": "8388608"}
GATEWAY_USER = "soundlift"
PASSWORD_BYTES = 32


def environment_of(environ: Mapping[str, str], *, host: str, port: int, data: Path) -> dict[str, str]:
    """Return the environment of gateway and connector, on an address and port of this machine, with a data folder.

    The gateway's login is new each time, unless the user has set one. Raises SettingError for what the user has set
    wrong.
    """
    address = f"http://{HERE if host == ALL_ADDRESSES else host}:{port}"
    defaults = {
        "PUBLIC_URL": address,
        "SECRETS_FOLDER": str(data / "secrets"),
        "DRAIN_SECONDS": DRAIN_SECONDS,
        "CONNECTIONS_PER_ADDRESS": CONNECTIONS_PER_ADDRESS,
        **MEMORY,
    }
    settings = Settings.from_environment({"STACK_FILE": str(STACK_FILE), **defaults, **environ})
    if not user_of(settings):
        login = {"BASIC_AUTH_USER": GATEWAY_USER, "BASIC_AUTH_PASSWORD": secrets.token_urlsafe(PASSWORD_BYTES)}
        environ = {**environ, **login}
    ours = {
        "HOST": host,
        "PORT": str(port),
        "GATEWAY_URL": address,
        "SOUNDLIFT_DATA": str(data),
        "STACK_FILE": str(settings.stack_file.absolute()),
        "BASIC_AUTH_CALLS": "true",
    }
    return {**defaults, **environ, **ours}


def wants_mail_caught(environ: Mapping[str, str], settings: Settings) -> bool:
    """Tell whether the user has named no mail server, neither in the environment nor as a secret."""
    return "SMTP_URL" not in environ and settings.smtp_url == Settings.smtp_url
