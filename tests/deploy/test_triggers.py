"""Knative's triggers deliver the events that the connector delivers elsewhere."""

from __future__ import annotations

from typing import Any

from soundlift.common.broker.routes import queues_by_event_type
from tests.deploy.platforms import SENDS_EVENTS, SETTINGS, STACK, event_manifests, functions_by_queue, max_conversions


def triggers_for(function: str) -> list[dict[str, Any]]:
    return [one for one in event_manifests("Trigger") if one["spec"]["subscriber"]["ref"]["name"] == function]


def parallelism(trigger: dict[str, Any]) -> int:
    return int(trigger["metadata"]["annotations"]["rabbitmq.eventing.knative.dev/parallelism"])


def retry_seconds(trigger: dict[str, Any]) -> int:
    """Return how long a refused event is retried: the dispatcher waits delay * 2**n before the nth retry."""
    delivery = trigger["spec"]["delivery"]
    assert (delivery["backoffPolicy"], delivery["backoffDelay"]) == ("exponential", "PT2S")
    return sum(2 * 2**number for number in range(1, delivery["retry"] + 1))


def test_there_is_one_trigger_for_each_event_type_and_subscriber() -> None:
    found = [
        (trigger["spec"]["filter"]["attributes"]["type"], trigger["spec"]["subscriber"]["ref"]["name"])
        for trigger in event_manifests("Trigger")
    ]
    subscribers = functions_by_queue()
    assert sorted(found) == sorted(
        (event, subscribers[queue]) for event, queues in queues_by_event_type(SETTINGS).items() for queue in queues
    )
    for trigger in event_manifests("Trigger"):
        assert trigger["spec"]["filter"].keys() == {"attributes"}
        assert trigger["spec"]["delivery"]["deadLetterSink"]["ref"]["name"] == "cleanup"
        assert trigger["spec"]["delivery"]["retry"] > 0


def test_as_many_videos_are_delivered_concurrently_as_convert_can_process() -> None:
    (uploaded,) = triggers_for("convert")
    assert parallelism(uploaded) == max_conversions()


def test_a_refused_mail_occupies_one_of_several_deliveries_for_a_minute_at_most() -> None:
    for trigger in triggers_for("notify"):
        assert parallelism(trigger) == 10
        assert retry_seconds(trigger) <= 60


def test_an_event_delivered_twice_is_retried_until_its_conversion_has_ended() -> None:
    (uploaded,) = triggers_for("convert")
    assert retry_seconds(uploaded) > SETTINGS.max_conversion_seconds


def test_the_immutable_spec_of_the_broker_has_nothing_that_our_triggers_use() -> None:
    (broker,) = event_manifests("Broker")
    assert broker["spec"].keys() == {"config", "delivery"}
    assert broker["spec"]["delivery"] == {"retry": 4, "backoffPolicy": "exponential", "backoffDelay": "PT2S"}
    assert all("delivery" in trigger["spec"] for trigger in event_manifests("Trigger"))


def test_functions_that_send_events_get_a_sink_and_cleanup_is_called_each_minute() -> None:
    (binding,) = event_manifests("SinkBinding")
    (broker,) = event_manifests("Broker")
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "RabbitMQBroker"}
    assert binding["spec"]["subject"]["selector"]["matchLabels"] == {SENDS_EVENTS: "true"}
    assert binding["spec"]["sink"]["ref"]["name"] == broker["metadata"]["name"]
    (ping,) = event_manifests("PingSource")
    assert ping["spec"]["schedule"] == STACK["cleanup"]["annotations"]["schedule"] == "* * * * *"
    assert ping["spec"]["sink"]["ref"]["name"] == "cleanup"
