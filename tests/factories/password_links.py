"""Links for choosing a password, as the emails contain them, and settings that offer them."""

from __future__ import annotations

import re
from dataclasses import replace

import sqlalchemy as sa

from devservers.mail_server import MailServer
from functions.notify.password_mail import send_password_mail
from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import PasswordLink, Purpose
from soundlift.common.db.tables import password_links as table
from soundlift.common.services import Services

NEW = "new@example.org"
LINK = re.compile(r"^http://127\.0\.0\.1:8080/web/#(sign-up|reset)=(\S+)$", re.MULTILINE)
TIMES = ("token_expires_at", "created_at", "due_at", "delete_after", "claimed_until")


def offer_links(services: Services, **settings: object) -> Services:
    """Let a deployment offer sign-up and password reset."""
    offers = {"sign_up": True, "password_reset": True, **settings}
    services.settings = replace(services.settings, **offers)  # type: ignore[arg-type]  # the fields of Settings
    return services


def requested_links(services: Services) -> list[tuple[str, str]]:
    """Return the address and the purpose of each link in the database."""
    with services.database.read() as connection:
        query = sa.select(table.c.email, table.c.purpose).order_by(table.c.email)
        return [tuple(row) for row in connection.execute(query)]


def issued_token(services: Services, email: str = NEW, purpose: Purpose = Purpose.SIGN_UP) -> OpaqueToken:
    """Return the token of a new link of an address, whose email was sent."""
    claim = services.password_links.claim(services.password_links.request(email, purpose).id)
    assert claim is not None
    token = services.password_links.issue(claim, seconds=3600)
    assert token is not None
    assert services.password_links.mark_sent(claim)
    return token


def mailed_token(services: Services, mail_server: MailServer, link: PasswordLink) -> str:
    """Send the email of a link, and return the token in it."""
    sent = len(mail_server.messages)
    send_password_mail(link.id, services)
    (mail,) = mail_server.messages[sent:]
    plain = mail.get_body(("plain",))
    assert plain is not None
    found = LINK.search(plain.get_content().replace("\r\n", "\n"))
    assert found is not None
    return found[2]


def age_links(services: Services, seconds: float) -> None:
    """Move all times of all links into the past."""
    with services.database.write() as connection:
        connection.execute(sa.update(table).values({name: table.c[name] - seconds for name in TIMES}))
