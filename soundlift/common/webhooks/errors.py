"""The errors of requests about webhooks."""

from __future__ import annotations

from soundlift.common.errors import SoundliftError


class WebhookExists(SoundliftError):
    """A URL that already is one of the user's webhooks."""

    status = 409
    title = "Webhook Exists"
    code = "webhook_exists"


class TooManyWebhooks(SoundliftError):
    """A webhook of a user who has as many as a user may have."""

    status = 409
    title = "Too Many Webhooks"
    code = "too_many_webhooks"


class WebhookDisabled(SoundliftError):
    """A delivery to a webhook that is disabled."""

    status = 409
    title = "Webhook Disabled"
    code = "webhook_disabled"


class DeliveryPending(SoundliftError):
    """A delivery that is in progress already."""

    status = 409
    title = "Delivery Pending"
    code = "delivery_pending"
