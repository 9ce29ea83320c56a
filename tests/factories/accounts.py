"""The password of every test account, and the headers for signing in."""

from __future__ import annotations

from soundlift.common.services import Services

SECRET = "a secret of the tests, longer than 32 bytes"
PASSWORD = "correct horse"


def bearer(services: Services, email: str = "ada@example.org", *, admin: bool = False) -> dict[str, str]:
    """Return the headers that sign a user in."""
    return {"Authorization": f"Bearer {services.tokens.sign_in(email, admin=admin)}"}
