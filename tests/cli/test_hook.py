"""`soundlift hook` manages webhooks, by their ids or their URLs, and shows what became of their deliveries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from threading import Event, Thread, Timer

import pytest
from cloudevents.core.v1.event import CloudEvent

from devservers.webhook_receiver import Answer, WebhookReceiver
from soundlift.common.events import to_http
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.cli.conftest import Run
from tests.client.servers import Deployment
from tests.factories.accounts import PASSWORD
from tests.factories.jobs import ready_job
from tests.factories.publishers import RecordingPublisher
from tests.fixtures.functions import Call

pytestmark = pytest.mark.servers

EMAIL = "ada@example.org"


class DirectPublisher(RecordingPublisher):
    """A publisher that delivers each event to the function webhook, which works while the caller goes on."""

    def __init__(self, function: Call) -> None:
        super().__init__()
        self._webhook = function("webhook")

    def publish(self, event: CloudEvent) -> None:
        headers, body = to_http(event)
        Thread(target=self._webhook.post, args=("/",), kwargs={"data": body, "headers": headers}).start()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings that let webhooks reach the loopback."""
    return replace(settings, outbound_allow=(ip_network("127.0.0.0/8"),), outbound_ports=())


@pytest.fixture
def environment(services: Services, function: Call) -> Iterator[dict[str, str]]:
    """Return the variables that sign in to a deployment with the functions that commands call."""
    services.publisher = DirectPublisher(function)
    with Deployment(services).running() as deployment:
        yield {"SOUNDLIFT_URL": deployment.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}


def test_a_webhook_is_added_tested_replayed_rotated_and_removed(
    environment: dict[str, str], services: Services, run: Run
) -> None:
    with WebhookReceiver() as receiver:
        added = run("hook", "add", receiver.url, **environment)
        assert added.returncode == 0, added.stderr
        secret = added.stdout.removesuffix("\n")
        assert secret.startswith("whsec_")
        assert "shown only now" in added.stderr and secret not in added.stderr
        (listed,) = [json.loads(line) for line in run("hook", "list", "--json", **environment).stdout.splitlines()]
        assert (listed["url"], listed["state"], "secret" in listed) == (receiver.url, "active", False)

        tested = run("hook", "test", receiver.url, **environment)
        assert (tested.returncode, "delivered, 1 attempt" in tested.stdout) == (0, True), tested.stderr
        assert receiver.messages[0].verified(secret)["type"] == "webhook.test"

        slow = Event()
        receiver.answers = [Answer(hold=slow), Answer()]
        Timer(1.5, slow.set).start()
        assert run("hook", "test", receiver.url, **environment).returncode == 0  # it waits for an attempt in progress

        rotated = run("hook", "rotate", listed["id"], "--json", **environment)
        for each in (secret, json.loads(rotated.stdout)["secret"]):
            assert run("hook", "test", listed["id"], **environment).returncode == 0
            receiver.messages[-1].verified(each)

        receiver.answers = [Answer(500)]
        job = ready_job(services)
        (delivery,) = [
            one for one in services.delivery_list.page(listed["id"], after=None, limit=9) if one.job == job.id
        ]
        claim = services.deliveries.claim_one(delivery.id)
        assert claim is not None
        assert services.deliveries.mark_delivered(claim, status=200)
        replayed = run("hook", "replay", listed["id"], delivery.id, **environment)
        assert replayed.returncode == 1
        assert "pending, 1 attempt  next " in replayed.stdout
        shown = run("hook", "deliveries", receiver.url, "-n", "2", **environment).stdout.splitlines()
        assert len(shown) == 2
        assert shown[0].startswith(f"{delivery.id}  ") and "answered with the status 500" in shown[0]

    assert "disabled: You have" in run("hook", "disable", receiver.url, **environment).stdout
    assert run("hook", "test", receiver.url, **environment).returncode == 5
    assert run("hook", "enable", receiver.url, **environment).stdout.endswith("  active\n")
    assert run("hook", "remove", receiver.url, **environment).stdout == f"Removed {receiver.url}.\n"
    unknown = run("hook", "remove", receiver.url, **environment)
    assert (unknown.returncode, "You have no webhook" in unknown.stderr) == (2, True)
