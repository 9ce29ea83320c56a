"""The temporary account of a smoke test."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from soundlift.cli.deployment import services_for_writing
from soundlift.cli.smoke_report import CheckFailed
from soundlift.common.errors import NotFound
from soundlift.common.services import Services

NOBODY = "nobody@soundlift.invalid"  # no mail server exists for .invalid (RFC 2606, section 2)
SQLITE = "sqlite:///"


class TemporaryAccount:
    """An account with a random password in the deployment's database.

    Its address is `mail_to` with a tag, NAME+smoke-test-…@DOMAIN, so that its mail is delivered to `mail_to`.
    Raises SettingError, and CheckFailed if the database is a file that does not exist.
    """

    def __init__(self, data: Path | None, mail_to: str | None) -> None:
        name, _, domain = (mail_to or NOBODY).rpartition("@")
        self.email = f"{name}+smoke-test-{secrets.token_hex(4)}@{domain}"
        self.password = secrets.token_urlsafe(24)
        self._services = _services(data)

    def add(self) -> None:
        """Add the account."""
        self._services.users.add(self.email, self._services.passwords.hash_new(self.password))

    def remove(self) -> None:
        """Remove the account, if it was added."""
        with suppress(NotFound):
            self._services.users.remove(self.email)


def _services(data: Path | None) -> Services:
    services = services_for_writing(data)
    url = services.settings.database_url
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise CheckFailed(f"the database file does not exist: {url.removeprefix(SQLITE)}")
    return services
