"""Mail with a link for choosing a password, to the owner of the address that somebody entered."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import LinkClaim, Purpose
from soundlift.common.auth.users import User
from soundlift.common.errors import Busy, MailRefused, SoundliftError
from soundlift.common.services import Services

from .content import MailContent
from .message import compose
from .password_content import existing_account, new_account, new_password

RETRY_SECONDS = 30

log = structlog.get_logger()


def send_password_mail(link_id: str, services: Services) -> None:
    """Send the mail that a request for a link calls for, if any; a repeated event sends no mail.

    Raises Busy while another worker sends it, so that the event is retried in case that worker dies.
    """
    claim = services.password_links.claim(link_id)
    if claim is not None:
        _answer(claim, services.users.find(claim.link.email), services)
        services.password_links.discard(claim)  # it is gone already if a link was sent
    elif services.password_links.is_pending(link_id):
        raise Busy("Another worker is sending this mail.", retry_after=RETRY_SECONDS)


def _answer(claim: LinkClaim, account: User | None, services: Services) -> None:
    """Send a link, or say that there is an account already, or send nothing.

    Whoever has no account gets no mail about its password, and whoever is disabled gets none at all.
    """
    settings = services.settings
    match claim.link.purpose:
        case Purpose.SIGN_UP if account is None:
            _send_link(claim, new_account, settings.sign_up_link_seconds, services)
        case Purpose.SIGN_UP if account is not None and not account.disabled:
            _send(claim, existing_account(services), services)
        case Purpose.RESET if account is not None and not account.disabled:
            _send_link(claim, new_password, settings.reset_link_seconds, services)


def _send_link(
    claim: LinkClaim, content: Callable[[str, int, Services], MailContent], seconds: int, services: Services
) -> None:
    token = services.password_links.issue(claim, seconds=seconds)
    if token is not None and _send(claim, content(_address(token, claim, services), seconds, services), services):
        services.password_links.mark_sent(claim)


def _send(claim: LinkClaim, content: MailContent, services: Services) -> bool:
    """Return whether the mail was accepted; raises MailUnavailable, after which it is sent later."""
    moment, address = time.time(), claim.link.email
    message_id = f"{claim.link.id}.{round(moment)}"  # each attempt has a link of its own, so it is a mail of its own
    try:
        mail = compose(content, services, recipient=address, message_id=message_id, moment=moment)
        services.mail.send(mail, recipient=address)
    except MailRefused as refusal:
        log.error("mail refused", detail=refusal.detail)
        return False
    except SoundliftError:
        services.password_links.release(claim)
        raise
    return True


def _address(token: OpaqueToken, claim: LinkClaim, services: Services) -> str:
    """Return the address of the page with a token. Browsers send the part after # to no server and in no Referer."""
    return f"{services.settings.public_url}/web/#{claim.link.purpose}={token.text}"
