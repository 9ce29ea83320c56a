"""OpenFaaS and Knative run the same functions: stack.yml and the Knative manifests agree."""

from __future__ import annotations

import re

from soundlift.common.settings import Settings
from soundlift.common.web.gunicorn_config import RELEASE_SECONDS
from tests.deploy.platforms import (
    KNATIVE,
    MAX_REQUEST_SECONDS,
    PUBLIC,
    SENDS_EVENTS,
    SERVICES,
    STACK,
    each_function,
    pod_spec,
    service_labels,
)
from tests.factories.manifests import (
    DEPLOY,
    container_environment,
    image_environment,
    manifests_in,
    mounted_secrets,
)

MAX_FUNCTIONS = 15  # in OpenFaaS's Community Edition
SHUTDOWN_SETTINGS = {"DRAIN_SECONDS", "write_timeout"}  # differ between the platforms
SERVICE_SELECTOR = re.compile(r"services\.serving\.knative\.dev \\\n +--selector '([^'=]+)=([^']+)'")
MEASURED_FUNCTION = 107e6  # bytes; the maximum of any small function in use on a cluster
MEASURED_LOGIN = 147e6  # with 64 concurrent sign-ins (row login-memory in docs/performance.md)
MEASURED_TWO_CONVERSIONS = 2 * 341e6 - 81e6  # twice convert with one conversion, with its Python side counted once


def test_both_have_the_same_functions_and_few_enough_for_the_community_edition() -> None:
    assert SERVICES.keys() == STACK.keys()
    assert len(STACK) <= MAX_FUNCTIONS


@each_function
def test_limits_and_environment_are_the_same(name: str) -> None:
    (container,) = pod_spec(name)["containers"]
    assert container["resources"] == {kind: STACK[name][kind] for kind in ("limits", "requests")}
    knative, openfaas = (
        {key: value for key, value in environment.items() if key not in SHUTDOWN_SETTINGS}
        for environment in (container_environment(container), STACK[name].get("environment", {}))
    )
    assert knative.keys() == openfaas.keys()
    assert {key: value for key, value in knative.items() if value is not None} == {
        key: openfaas[key] for key, value in knative.items() if value is not None
    }


@each_function
def test_knative_waits_for_a_stopping_function(name: str) -> None:
    (container,) = pod_spec(name)["containers"]
    own = {key: value for key, value in container_environment(container).items() if value is not None}
    settings = Settings.from_environment({**image_environment(), **own})
    assert settings.drain_seconds + RELEASE_SECONDS < pod_spec(name)["timeoutSeconds"] <= MAX_REQUEST_SECONDS


@each_function
def test_the_probes_have_the_form_that_knative_s_webhook_accepts(name: str) -> None:
    (container,) = pod_spec(name)["containers"]
    assert container["readinessProbe"] == {"httpGet": {"path": "/_/health"}}
    assert container["livenessProbe"]["httpGet"] == {"path": "/_/health"}
    assert container["livenessProbe"]["periodSeconds"] > container["livenessProbe"]["timeoutSeconds"]


@each_function
def test_secrets_are_the_same_except_the_broker_s_which_is_a_sink(name: str) -> None:
    sends = service_labels(name).get(SENDS_EVENTS) == "true"
    secrets = set(STACK[name].get("secrets", []))
    assert sends == ("broker-url" in secrets)
    assert mounted_secrets(pod_spec(name)) == secrets - {"broker-url"}


@each_function
def test_scaling_is_the_same_and_is_set_on_the_revision(name: str) -> None:
    annotations, labels = SERVICES[name]["spec"]["template"]["metadata"]["annotations"], STACK[name]["labels"]
    assert "annotations" not in SERVICES[name]["metadata"]
    assert annotations["autoscaling.knative.dev/max-scale"] == labels["com.openfaas.scale.max"]
    scales_to_zero = annotations["autoscaling.knative.dev/min-scale"] == "0"
    assert scales_to_zero == (labels["com.openfaas.scale.zero"] == "true" or name == "cleanup")


@each_function
def test_both_scale_by_concurrent_requests_and_to_the_same_target(name: str) -> None:
    annotations = SERVICES[name]["spec"]["template"]["metadata"]["annotations"]
    target = STACK[name]["labels"].get("com.openfaas.scale.target")
    assert annotations.get("autoscaling.knative.dev/target") == target
    # 100 %, because at Knative's default of 70 % of the target, the second conversion would start another pod.
    assert annotations.get("autoscaling.knative.dev/target-utilization-percentage") == ("100" if target else None)
    assert (target is None) == (name == "cleanup")


@each_function
def test_a_pod_receives_no_more_requests_than_it_can_process(name: str) -> None:
    settings = Settings.from_environment(STACK[name].get("environment", {}))
    capacity = settings.convert_concurrency if name == "convert" else settings.threads
    assert pod_spec(name)["containerConcurrency"] == capacity
    assert int(STACK[name]["labels"].get("com.openfaas.scale.target", "1")) <= capacity


@each_function
def test_a_pod_requests_more_memory_than_was_measured_and_may_use_more(name: str) -> None:
    requested, limit = (int(STACK[name][kind]["memory"].removesuffix("Mi")) * 2**20 for kind in ("requests", "limits"))
    measured = {"convert": MEASURED_TWO_CONVERSIONS, "login": MEASURED_LOGIN}
    assert measured.get(name, MEASURED_FUNCTION) < requested < limit


@each_function
def test_selectors_match_our_services_and_their_pods(name: str) -> None:
    (selected,) = SERVICE_SELECTOR.findall((DEPLOY / "roll-out-secrets.sh").read_text())
    assert selected in service_labels(name).items()
    policies = manifests_in(KNATIVE / "network-policy.yaml")
    (policy,) = [policy for policy in policies if policy["metadata"]["name"] == "functions"]
    labels = SERVICES[name]["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


@each_function
def test_only_public_functions_can_be_reached_from_outside(name: str) -> None:
    visibility = service_labels(name).get("networking.knative.dev/visibility")
    assert visibility == (None if name in PUBLIC else "cluster-local")
