"""The URL of a webhook, and the webhook that an upload names."""

from __future__ import annotations

from dataclasses import replace

from soundlift.common.errors import BadOption
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.outbound.errors import BadUrl
from soundlift.common.outbound.policy import OutboundPolicy
from soundlift.common.outbound.url import permitted_url
from soundlift.common.services import Services
from soundlift.common.settings import Settings

UNKNOWN = "webhook: you have no webhook with this id or URL. Add one first, since its secret signs what it gets."
DISABLED = "webhook: this webhook is disabled; enable it first."


def with_webhook_id(options: AudioOptions, username: str, services: Services) -> AudioOptions:
    """Return the options of an upload, which name a webhook by its id if they name one; raises BadOption."""
    if options.webhook is None:
        return options
    return replace(options, webhook=require_webhook(options.webhook, username, services))


def require_webhook(name: str, username: str, services: Services) -> str:
    """Return the id of the user's webhook with an id or URL; raises BadOption if there is none, or it is disabled."""
    try:
        name = canonical_url(name, services.settings) if "://" in name else name
    except BadUrl as error:
        raise BadOption(f"webhook: {error.detail}") from None
    endpoint = services.webhooks.find_named(username, name)
    if endpoint is None:
        raise BadOption(UNKNOWN)
    if endpoint.disabled:
        raise BadOption(DISABLED)
    return endpoint.id


def canonical_url(text: str, settings: Settings) -> str:
    """Return the URL of a webhook in the form in which it is stored; raises BadUrl for one that is not permitted."""
    return str(permitted_url(text, OutboundPolicy(settings.outbound_allow, settings.outbound_ports)))
