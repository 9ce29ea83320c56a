"""What an email about a new account or a new password says."""

from __future__ import annotations

import time

from soundlift.common.services import Services

from .content import Link, MailContent, reason
from .wording import moment_text, readable_period

IGNORE = "If it was not you, ignore this email: nothing changes."


def new_account(url: str, seconds: int, services: Services) -> MailContent:
    """Return the content of a mail whose link, for so many seconds, lets its reader create an account."""
    return MailContent(
        subject="Create your Soundlift account",
        heading="Create your account",
        paragraphs=("Somebody, probably you, entered this address to create an account.",),
        links=(Link("Choose a password", "Choose a password to create it:", url),),
        notes=(_period(seconds), IGNORE),
        reason=reason(services, "somebody entered your address there"),
    )


def new_password(url: str, seconds: int, services: Services) -> MailContent:
    """Return the content of a mail whose link, for so many seconds, lets its reader choose a new password."""
    return MailContent(
        subject="Choose a new Soundlift password",
        heading="Choose a new password",
        paragraphs=("Somebody, probably you, asked for a new password for your account.",),
        links=(Link("Choose a new password", "Choose it here:", url),),
        notes=(f"{_period(seconds)} A new password signs you out on all devices.", IGNORE),
        reason=reason(services, "you have an account there"),
    )


def existing_account(services: Services) -> MailContent:
    """Return the content of a mail to a user who wants to create another account with the same address."""
    return MailContent(
        subject="You already have a Soundlift account",
        heading="You already have an account",
        paragraphs=(
            "Somebody, probably you, entered this address to create an account. It has one already.",
            "Sign in with your password. If you have forgotten it, the sign-in page tells you what to do.",
        ),
        links=(Link("Sign in", "Sign in:", f"{services.settings.public_url}/web/"),),
        notes=(IGNORE,),
        reason=reason(services, "you have an account there"),
    )


def _period(seconds: int) -> str:
    until = moment_text(time.time() + seconds)
    return f"The link works once, for {readable_period(seconds)}, until {until}."
