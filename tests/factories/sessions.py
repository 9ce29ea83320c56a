"""Sessions, and the requests of a page and of a program that use them."""

from __future__ import annotations

import sqlalchemy as sa

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.db.tables import sessions
from soundlift.common.services import Services

ADA = "ada@example.org"
COOKIE = "soundlift_refresh"
PAGE_HEADERS = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}


def begin_session(services: Services, email: str = ADA) -> RefreshToken:
    user = services.users.find(email)
    assert user is not None
    token = services.sessions.begin(user)
    assert token is not None
    return token


def rotated(services: Services, token: RefreshToken) -> RefreshToken:
    """Use a token, and return its successor."""
    continued = services.sessions.rotate(token, services.tokens.successors(token))
    assert continued is not None
    return continued[1]


def is_live(services: Services, token: RefreshToken) -> bool:
    """Return whether a session exists, whichever of its tokens is given."""
    with services.database.read() as connection:
        return connection.scalar(sa.select(sessions.c.id).where(sessions.c.id == token.id)) is not None


def age_sessions(services: Services, seconds: float) -> None:
    """Move all times of all sessions into the past."""
    names = ("rotated_at", "created_at", "expires_at")
    with services.database.write() as connection:
        connection.execute(sa.update(sessions).values({name: sessions.c[name] - seconds for name in names}))
