"""The environment of the local processes: addresses and files of this machine, unless the user has set others."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.settings import Settings
from soundlift.local.addresses import local_address, public_address

PACKAGED_STACK_FILE = Path(__file__).parents[1] / "deployment" / "stack.yml"
STACK_FILE = PACKAGED_STACK_FILE if PACKAGED_STACK_FILE.exists() else Path(__file__).parents[2] / "stack.yml"
DRAIN_SECONDS = "5"
CONNECTIONS_PER_ADDRESS = "16"  # half of THREADS, so that one address cannot occupy a function; a browser opens six
# As in the images: without these, glibc does not return the memory of password hashes and upload blocks to the system.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4194304", "MALLOC_TRIM_THRESHOLD_": "8388608"}
GATEWAY_USER = "soundlift"
PASSWORD_BYTES = 32


def stack_environment(environ: Mapping[str, str], *, host: str, port: int, data: Path) -> dict[str, str]:
    """Return the environment of the gateway and the connector for a host, a port and a data folder.

    The gateway's login is new each time, unless the user has set one. Raises SettingError for an invalid setting.
    """
    address = f"http://{local_address(host)}:{port}"
    defaults = {
        "PUBLIC_URL": f"http://{public_address(host)}:{port}",
        "SECRETS_FOLDER": str(data / "secrets"),
        "DRAIN_SECONDS": DRAIN_SECONDS,
        "CONNECTIONS_PER_ADDRESS": CONNECTIONS_PER_ADDRESS,
        **MEMORY,
    }
    settings = Settings.from_environment({"STACK_FILE": str(STACK_FILE), **defaults, **environ})
    if not login_headers(settings):
        login = {"BASIC_AUTH_USER": GATEWAY_USER, "BASIC_AUTH_PASSWORD": secrets.token_urlsafe(PASSWORD_BYTES)}
        environ = {**environ, **login}
    fixed = {
        "HOST": host,
        "PORT": str(port),
        "GATEWAY_URL": address,
        "SOUNDLIFT_DATA": str(data),
        "STACK_FILE": str(settings.stack_file.absolute()),
        "BASIC_AUTH_CALLS": "true",
    }
    return {**defaults, **environ, **fixed}


def needs_mail_catcher(environ: Mapping[str, str], settings: Settings) -> bool:
    """Return whether no mail server is set, either in the environment or as a secret."""
    return "SMTP_URL" not in environ and settings.smtp_url == Settings.smtp_url
