"""The client's requests about webhooks, against the real functions."""

from __future__ import annotations

import pytest

from soundlift.client import ApiError, Client, webhooks
from soundlift.common.services import Services
from tests.client.conftest import EMAIL
from tests.factories.publishers import RecordingPublisher


def test_webhooks_are_added_changed_rotated_and_removed(client: Client) -> None:
    added = client.webhooks.add("https://hooks.example.org", all_jobs=False)
    assert added.secret is not None
    assert added.secret not in repr(added)
    (listed,) = client.webhooks.list()
    assert (listed.url, listed.all_jobs, listed.secret) == ("https://hooks.example.org/", False, None)
    assert client.webhooks.change(listed, enabled=False, all_jobs=True).state == "disabled"
    rotated = client.webhooks.rotate(listed.id)
    assert rotated.secret not in (None, added.secret)
    assert rotated.previous_secret_until is not None
    with pytest.raises(ApiError, match="is disabled") as refused:
        client.webhooks.test(listed)
    assert (refused.value.status, refused.value.code) == (409, "webhook_disabled")
    client.webhooks.remove(listed)
    assert client.webhooks.list() == []


def test_deliveries_are_listed_over_several_pages_and_replayed(
    client: Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAGE_SIZE", 2)
    services.publisher = RecordingPublisher()
    added = client.webhooks.add("https://hooks.example.org")
    for _ in range(5):
        delivery = client.webhooks.test(added)
        claim = services.deliveries.claim_next(EMAIL)
        assert claim is not None
        assert services.deliveries.mark_delivered(claim, status=200)
    found = list(client.webhooks.deliveries(added))
    assert len(found) == 5
    assert (found[0].id, found[0].status, found[0].attempts, found[0].last_status) == (delivery.id, "delivered", 1, 200)
    replayed = client.webhooks.replay(added, found[0])
    assert (replayed.status, replayed.attempts) == ("pending", 0)
