"""OpenFaaS and Knative get the same functions: stack.yml and the manifests are held together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from soundlift.common.broker.routes import queues_by_event_type
from soundlift.common.settings import Settings
from soundlift.common.web.gunicorn_config import RELEASE_SECONDS
from soundlift.connector.__main__ import SECONDS_BEYOND_CONVERSION, SECONDS_BEYOND_DRAIN
from soundlift.local.stack import substitute
from tests.factories.manifests import (
    DEPLOY,
    ROOT,
    environment_of_images,
    manifests_in,
    one_of,
    seconds_of,
    secrets_of,
    stack_environment,
)

STACK: dict[str, dict[str, Any]] = yaml.safe_load(substitute((ROOT / "stack.yml").read_text(encoding="utf-8"), {}))[
    "functions"
]
KNATIVE = DEPLOY / "knative"
SERVICES = {service["metadata"]["name"]: service for service in manifests_in(KNATIVE / "functions.yaml")}
EVENTS = manifests_in(KNATIVE / "events.yaml")
SETTINGS = Settings.from_environment({})
NGINX = "nginx.ingress.kubernetes.io"
PUBLIC = {"login", "validate", "upload", "download", "jobs"}
MOST_FUNCTIONS = 15  # of OpenFaaS's Community Edition
LONGEST_REQUEST = 600  # max-revision-timeout-seconds of Knative, as it is unless configured
PATIENCE = {"DRAIN_SECONDS", "write_timeout"}  # each platform has its own
SENDS_EVENTS = "soundlift.dev/sends-events"
SERVICE_SELECTOR = re.compile(r"services\.serving\.knative\.dev \\\n +--selector '([^'=]+)=([^']+)'")
MEASURED_FUNCTION = 107e6  # the most of any small function in use on a cluster, in bytes
MEASURED_LOGIN = 147e6  # with 64 sign-ins at once (row login-memory of docs/performance.md)
MEASURED_TWO_CONVERSIONS = 2 * 341e6 - 81e6  # twice convert with one, whose Python side is there once

each_function = pytest.mark.parametrize("name", STACK)


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in EVENTS if manifest["kind"] == kind]


def pod_of(name: str) -> dict[str, Any]:
    pod: dict[str, Any] = SERVICES[name]["spec"]["template"]["spec"]
    return pod


def labels_of(name: str) -> dict[str, str]:
    labels: dict[str, str] = SERVICES[name]["metadata"].get("labels", {})
    return labels


def topics() -> dict[str, str]:
    """Return the function of each queue, as stack.yml has it."""
    found = {entry.get("annotations", {}).get("topic"): name for name, entry in STACK.items()}
    return {queue: found[queue] for queue in {SETTINGS.video_queue, SETTINGS.mp3_queue}}


def test_both_have_the_same_functions_and_few_enough_for_the_community_edition() -> None:
    assert SERVICES.keys() == STACK.keys()
    assert len(STACK) <= MOST_FUNCTIONS


@each_function
def test_limits_and_environment_are_the_same(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    assert container["resources"] == {kind: STACK[name][kind] for kind in ("limits", "requests")}
    here, there = (
        {key: value for key, value in environment.items() if key not in PATIENCE}
        for environment in (stack_environment(container), STACK[name].get("environment", {}))
    )
    assert here.keys() == there.keys()
    assert {key: value for key, value in here.items() if value is not None} == {
        key: there[key] for key, value in here.items() if value is not None
    }


@each_function
def test_knative_waits_for_a_function_told_to_stop(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    own = {key: value for key, value in stack_environment(container).items() if value is not None}
    settings = Settings.from_environment({**environment_of_images(), **own})
    assert settings.drain_seconds + RELEASE_SECONDS < pod_of(name)["timeoutSeconds"] <= LONGEST_REQUEST


@each_function
def test_the_probes_are_of_the_form_that_knative_s_webhook_takes(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    assert container["readinessProbe"] == {"httpGet": {"path": "/_/health"}}
    assert container["livenessProbe"]["httpGet"] == {"path": "/_/health"}
    assert container["livenessProbe"]["periodSeconds"] > container["livenessProbe"]["timeoutSeconds"]


@each_function
def test_secrets_are_the_same_but_for_the_broker_s_which_is_a_sink(name: str) -> None:
    sends = labels_of(name).get(SENDS_EVENTS) == "true"
    assert sends == ("broker-url" in STACK[name]["secrets"])
    assert secrets_of(pod_of(name)) == set(STACK[name]["secrets"]) - {"broker-url"}


@each_function
def test_scaling_is_the_same_and_stands_on_the_revision(name: str) -> None:
    annotations, labels = SERVICES[name]["spec"]["template"]["metadata"]["annotations"], STACK[name]["labels"]
    assert "annotations" not in SERVICES[name]["metadata"]
    assert annotations["autoscaling.knative.dev/max-scale"] == labels["com.openfaas.scale.max"]
    sleeps = annotations["autoscaling.knative.dev/min-scale"] == "0"
    assert sleeps == (labels["com.openfaas.scale.zero"] == "true" or name == "cleanup")


@each_function
def test_what_selects_our_services_or_their_pods_finds_them(name: str) -> None:
    (selected,) = SERVICE_SELECTOR.findall((DEPLOY / "roll-out-secrets.sh").read_text())
    assert selected in labels_of(name).items()
    (policy,) = [one for one in manifests_in(KNATIVE / "network-policy.yaml") if one["metadata"]["name"] == "functions"]
    labels = SERVICES[name]["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


@each_function
def test_no_more_requests_come_than_there_are_places(name: str) -> None:
    environment = Settings.from_environment(STACK[name].get("environment", {}))
    places = environment.convert_concurrency if name == "convert" else environment.threads
    assert pod_of(name)["containerConcurrency"] == places
    assert int(STACK[name]["labels"].get("com.openfaas.scale.target", "1")) <= places


@each_function
def test_both_scale_by_requests_at_work_and_to_the_same_target(name: str) -> None:
    annotations = SERVICES[name]["spec"]["template"]["metadata"]["annotations"]
    target = STACK[name]["labels"].get("com.openfaas.scale.target")
    assert annotations.get("autoscaling.knative.dev/target") == target
    # The target itself, not Knative's usual 70 % of it, with which the second conversion would start another pod.
    assert annotations.get("autoscaling.knative.dev/target-utilization-percentage") == ("100" if target else None)
    assert (target is None) == (name == "cleanup")


def places_of_convert() -> int:
    """Return how many conversions there are at once when convert has as many pods as it may."""
    return pod_of("convert")["containerConcurrency"] * int(STACK["convert"]["labels"]["com.openfaas.scale.max"])


def test_as_many_videos_are_delivered_at_once_as_convert_takes() -> None:
    (uploaded,) = [one for one in of_kind("Trigger") if one["spec"]["subscriber"]["ref"]["name"] == "convert"]
    assert deliveries_at_once(uploaded) == places_of_convert()
    connector = one_of(DEPLOY / "connector" / "connector.yaml", "Deployment")["spec"]
    (container,) = connector["template"]["spec"]["containers"]
    assert (
        connector["replicas"] * int(stack_environment(container)["CONNECTOR_CONCURRENCY"] or 0) == places_of_convert()
    )


@each_function
def test_a_pod_requests_the_memory_that_was_measured_and_may_use_more(name: str) -> None:
    requested, limit = (int(STACK[name][kind]["memory"].removesuffix("Mi")) * 2**20 for kind in ("requests", "limits"))
    measured = {"convert": MEASURED_TWO_CONVERSIONS, "login": MEASURED_LOGIN}
    assert measured.get(name, MEASURED_FUNCTION) < requested < limit


@pytest.mark.parametrize(
    ("platform", "label"), [("knative", "serving.knative.dev/service"), ("openfaas", "faas_function")]
)
def test_a_function_s_pods_are_evicted_one_at_a_time_and_block_no_drain(platform: str, label: str) -> None:
    budgets = manifests_in(DEPLOY / platform / "disruption.yaml")
    assert {one["spec"]["selector"]["matchLabels"][label] for one in budgets} == STACK.keys() - {"cleanup"}
    for budget in budgets:
        assert budget["spec"].keys() == {"maxUnavailable", "selector"}
        assert budget["spec"]["maxUnavailable"] == 1


def connector() -> dict[str, Any]:
    spec: dict[str, Any] = one_of(DEPLOY / "connector" / "connector.yaml", "Deployment")["spec"]
    return spec


def test_a_stopping_connector_hands_back_its_messages_before_it_is_killed() -> None:
    pod = connector()["template"]["spec"]
    (container,) = pod["containers"]
    settings = Settings.from_environment({"DRAIN_SECONDS": str(stack_environment(container)["DRAIN_SECONDS"])})
    in_flight = settings.drain_seconds + SECONDS_BEYOND_DRAIN
    assert in_flight + RELEASE_SECONDS <= pod["terminationGracePeriodSeconds"]
    # A function on OpenFaaS that is told to stop at the same moment has given its work back by then.
    functions = Settings.from_environment(environment_of_images())
    assert functions.drain_seconds + RELEASE_SECONDS < in_flight


def test_one_connector_may_be_evicted_and_one_always_stays() -> None:
    budget = one_of(DEPLOY / "connector" / "connector.yaml", "PodDisruptionBudget")["spec"]
    assert budget["selector"]["matchLabels"].items() <= connector()["template"]["metadata"]["labels"].items()
    assert budget.keys() == {"minAvailable", "selector"}
    assert budget["minAvailable"] == connector()["replicas"] - 1 == 1


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_no_two_budgets_are_for_the_same_pods(platform: str) -> None:
    budgets = manifests_in(DEPLOY / platform / "disruption.yaml")
    for part in ("metadata", "spec"):
        found = [str(one[part].get("name") or one[part]["selector"]) for one in budgets]
        assert len(set(found)) == len(found)
    for budget in budgets:
        assert list(budget["spec"]["selector"]["matchLabels"].values()) == [budget["metadata"]["name"]]


@each_function
def test_only_what_is_public_can_be_reached_from_outside(name: str) -> None:
    visibility = labels_of(name).get("networking.knative.dev/visibility")
    assert visibility == (None if name in PUBLIC else "cluster-local")


def test_the_ingresses_lead_to_the_public_functions_and_to_no_other() -> None:
    leads = [
        name
        for name in [*STACK, "system", "ui"]
        for ingress in ingresses_in(DEPLOY / "openfaas")
        if re.match(path_of(ingress), f"/{name}/a")
    ]
    assert sorted(leads) == sorted(PUBLIC)
    ingresses = ingresses_in(KNATIVE)
    assert {one["metadata"]["name"] for one in ingresses} == PUBLIC
    for one in ingresses:
        name = one["metadata"]["name"]
        assert re.match(path_of(one), f"/{name}/a")
        assert one["metadata"]["annotations"][f"{NGINX}/upstream-vhost"].startswith(f"{name}.")


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_the_ingresses_buffer_all_requests_but_uploads_and_limit_connections(platform: str) -> None:
    for ingress in ingresses_in(DEPLOY / platform):
        annotations = ingress["metadata"]["annotations"]
        is_upload = "upload" in path_of(ingress)
        assert annotations.get(f"{NGINX}/proxy-request-buffering", "on") == ("off" if is_upload else "on")
        assert (annotations[f"{NGINX}/proxy-body-size"] == "0") == is_upload
        assert int(annotations[f"{NGINX}/limit-connections"]) > 0


def ingresses_in(folder: Path) -> list[dict[str, Any]]:
    return [one for one in manifests_in(folder / "ingress.yaml") if one["kind"] == "Ingress"]


def path_of(ingress: dict[str, Any]) -> str:
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    return str(path["path"])


def test_there_is_one_trigger_for_each_type_of_event_and_subscriber() -> None:
    found = [
        (trigger["spec"]["filter"]["attributes"]["type"], trigger["spec"]["subscriber"]["ref"]["name"])
        for trigger in of_kind("Trigger")
    ]
    subscribers = topics()
    assert sorted(found) == sorted(
        (event, subscribers[queue]) for event, queues in queues_by_event_type(SETTINGS).items() for queue in queues
    )
    for trigger in of_kind("Trigger"):
        assert trigger["spec"]["filter"].keys() == {"attributes"}
        assert trigger["spec"]["delivery"]["deadLetterSink"]["ref"]["name"] == "cleanup"
        assert trigger["spec"]["delivery"]["retry"] > 0


def deliveries_at_once(trigger: dict[str, Any]) -> int:
    return int(trigger["metadata"]["annotations"]["rabbitmq.eventing.knative.dev/parallelism"])


def seconds_of_retries(trigger: dict[str, Any]) -> int:
    """Return how long a refused event keeps its place: the dispatcher waits delay * 2**n before the nth retry."""
    delivery = trigger["spec"]["delivery"]
    assert (delivery["backoffPolicy"], delivery["backoffDelay"]) == ("exponential", "PT2S")
    return sum(2 * 2**number for number in range(1, delivery["retry"] + 1))


def test_a_refused_mail_keeps_one_place_of_several_and_not_for_long() -> None:
    for trigger in of_kind("Trigger"):
        if trigger["spec"]["subscriber"]["ref"]["name"] == "notify":
            assert deliveries_at_once(trigger) == 10
            assert seconds_of_retries(trigger) <= 60


def test_an_event_delivered_twice_is_retried_until_its_conversion_has_ended() -> None:
    (uploaded,) = [one for one in of_kind("Trigger") if one["spec"]["subscriber"]["ref"]["name"] == "convert"]
    assert seconds_of_retries(uploaded) > SETTINGS.max_conversion_seconds


def test_a_broker_s_spec_which_is_immutable_holds_nothing_that_our_triggers_use() -> None:
    (broker,) = of_kind("Broker")
    assert broker["spec"].keys() == {"config", "delivery"}
    assert broker["spec"]["delivery"] == {"retry": 4, "backoffPolicy": "exponential", "backoffDelay": "PT2S"}
    assert all("delivery" in trigger["spec"] for trigger in of_kind("Trigger"))


def test_functions_that_send_events_get_a_sink_and_cleanup_is_called_each_minute() -> None:
    (binding,) = of_kind("SinkBinding")
    (broker,) = of_kind("Broker")
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "RabbitMQBroker"}
    assert binding["spec"]["subject"]["selector"]["matchLabels"] == {SENDS_EVENTS: "true"}
    assert binding["spec"]["sink"]["ref"]["name"] == broker["metadata"]["name"]
    (ping,) = of_kind("PingSource")
    assert ping["spec"]["schedule"] == STACK["cleanup"]["annotations"]["schedule"] == "* * * * *"
    assert ping["spec"]["sink"]["ref"]["name"] == "cleanup"


def added_by(platform: str) -> dict[str, str]:
    """Return the variable that a platform adds to the connector."""
    kustomization = yaml.safe_load((DEPLOY / platform / "kustomization.yaml").read_text())
    (patch,) = kustomization["patches"]
    (operation,) = yaml.safe_load(patch["patch"])
    assert operation["path"] == "/spec/template/spec/containers/0/env/-"
    return {operation["value"]["name"]: operation["value"]["value"]}


def test_the_connector_is_told_by_settings_where_the_functions_are() -> None:
    (container,) = one_of(DEPLOY / "connector" / "connector.yaml", "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    own = {name: str(value) for name, value in stack_environment(container).items()}
    Settings.from_environment({**own, **added_by("openfaas")})
    static = Settings.from_environment({**own, **added_by("knative/other-programs")})
    namespace = one_of(KNATIVE / "namespace.yaml", "Namespace")["metadata"]["name"]
    assert dict(static.subscribers) == {
        queue: f"http://{function}.{namespace}.svc.cluster.local" for queue, function in topics().items()
    }
    assert container["ports"][0]["containerPort"] == static.connector_port


def test_the_connector_waits_longer_than_any_conversion_and_the_gateways_longer() -> None:
    conversion = int(STACK["convert"]["environment"]["MAX_CONVERSION_SECONDS"])
    assert conversion == SETTINGS.max_conversion_seconds  # which the connector reckons with
    connector = conversion + SECONDS_BEYOND_CONVERSION
    knative = pod_of("convert")
    assert conversion < knative["responseStartTimeoutSeconds"] == knative["timeoutSeconds"] <= LONGEST_REQUEST
    values = yaml.safe_load((DEPLOY / "openfaas" / "values.yaml").read_text())
    upstream = seconds_of(values["gateway"]["upstreamTimeout"])
    assert (
        conversion
        < connector
        < upstream
        < min(
            seconds_of(values[part][key])
            for part in ("gateway", "faasnetes")
            for key in ("readTimeout", "writeTimeout")
        )
    )
