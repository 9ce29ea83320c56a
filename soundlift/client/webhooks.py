"""The webhooks of the client's user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

from soundlift.client.api import Api
from soundlift.client.errors import ConnectionFailed
from soundlift.client.retries import is_unprocessed

PAGE_SIZE = 100
NOT_OURS = "The server's answer does not describe webhooks. Is it Soundlift?"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address that gets the outcome of jobs: of all, or of those whose upload names it.

    `state` is active, failing or disabled, for the reason in `detail`. `secret` is known only after `add` and `rotate`.
    Until `previous_secret_until`, messages are signed with the previous secret too.
    """

    id: str
    url: str
    all_jobs: bool
    state: str
    detail: str | None
    created_at: datetime | None
    previous_secret_until: datetime | None
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a webhook's JSON document; raises ConnectionFailed if it is not one."""
        try:
            return cls(
                id=str(document["id"]),
                url=str(document["url"]),
                all_jobs=bool(document["all_jobs"]),
                state=str(document["state"]),
                detail=document["detail"],
                created_at=_time(document["created_at"]),
                previous_secret_until=_time(document["previous_secret_until"]),
                secret=document.get("secret"),
            )
        except (KeyError, TypeError, ValueError):
            raise ConnectionFailed(NOT_OURS) from None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message to a webhook; `id` is its `webhook-id`, and `status` is pending, delivered or failed.

    `last_status` is that of the last response, if there was one, and `last_error` why the last attempt failed.
    """

    id: str
    type: str
    job_id: str | None
    status: str
    attempts: int
    created_at: datetime | None
    delivered_at: datetime | None
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a delivery's JSON document; raises ConnectionFailed if it is not one."""
        try:
            return cls(
                id=str(document["id"]),
                type=str(document["type"]),
                job_id=document["job_id"],
                status=str(document["status"]),
                attempts=int(document["attempts"]),
                last_status=document["last_status"],
                last_error=document["last_error"],
                **{name: _time(document[name]) for name in ("created_at", "delivered_at", "next_attempt_at")},
            )
        except (KeyError, TypeError, ValueError):
            raise ConnectionFailed(NOT_OURS) from None


class Webhooks:
    """The requests about webhooks. A webhook is given by itself or by its id, and a delivery as well."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self) -> list[Webhook]:
        """Return the user's webhooks, the oldest first."""
        found = self._api.json("GET", "/hooks").get("webhooks")
        if not isinstance(found, list):
            raise ConnectionFailed(NOT_OURS)
        return [Webhook.of(each) for each in found]

    def add(self, url: str, *, all_jobs: bool = True) -> Webhook:
        """Add a webhook, and return it with its `secret`, which cannot be had again."""
        document = {"url": url, "all_jobs": all_jobs}
        return Webhook.of(self._api.json("POST", "/hooks", document, may_repeat=is_unprocessed))

    def change(self, webhook: Webhook | str, **changes: str | bool) -> Webhook:
        """Change the `url` of a webhook, whether it gets `all_jobs`, or whether it is `enabled`; return it."""
        return Webhook.of(self._api.json("PATCH", _path(webhook), changes))

    def remove(self, webhook: Webhook | str) -> None:
        """Remove a webhook, and what has not been delivered to it."""
        self._api.json("DELETE", _path(webhook))

    def rotate(self, webhook: Webhook | str) -> Webhook:
        """Give a webhook a new `secret`, and return it; the previous one also signs for 24 hours."""
        return Webhook.of(self._api.json("POST", f"{_path(webhook)}/secret", may_repeat=is_unprocessed))

    def test(self, webhook: Webhook | str) -> Delivery:
        """Begin to send a test to a webhook, and return its delivery."""
        return Delivery.of(self._api.json("POST", f"{_path(webhook)}/test", may_repeat=is_unprocessed))

    def deliveries(self, webhook: Webhook | str) -> Iterator[Delivery]:
        """Return the deliveries of the last 30 days, the newest first, as they arrive."""
        query: Mapping[str, str] = {"limit": str(PAGE_SIZE)}
        while True:
            page = self._api.json("GET", f"{_path(webhook)}/deliveries", query=query)
            found, links = page.get("deliveries"), page.get("links")
            if not isinstance(found, list) or not isinstance(links, dict):
                raise ConnectionFailed(NOT_OURS)
            deliveries = [Delivery.of(each) for each in found]
            yield from deliveries
            if not deliveries or "next" not in links:
                return
            query = {"limit": str(PAGE_SIZE), "after": deliveries[-1].id}

    def replay(self, webhook: Webhook | str, delivery: Delivery | str) -> Delivery:
        """Begin to send a delivery again, which has ended, and return it."""
        delivery_id = delivery.id if isinstance(delivery, Delivery) else delivery
        path = f"{_path(webhook)}/deliveries/{quote(delivery_id, safe='')}/replay"
        return Delivery.of(self._api.json("POST", path, may_repeat=is_unprocessed))


def _path(webhook: Webhook | str) -> str:
    webhook_id = webhook.id if isinstance(webhook, Webhook) else webhook
    return f"/hooks/{quote(webhook_id, safe='')}"


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
