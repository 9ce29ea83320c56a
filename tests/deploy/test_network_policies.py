"""On Knative our pods accept connections only from pods that need them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.network import Pod, may_connect
from tests.deploy.platforms import SENDS_EVENTS, SERVICES, event_manifests
from tests.factories.manifests import DEPLOY, manifests_in, only_manifest

NAMESPACE = only_manifest(DEPLOY / "knative" / "namespace.yaml", "Namespace")["metadata"]["name"]
OURS: list[dict[str, Any]] = [
    {**policy, "metadata": {**policy["metadata"], "namespace": NAMESPACE}}
    for policy in manifests_in(DEPLOY / "knative" / "network-policy.yaml")
]
PLATFORM = manifests_in(DEPLOY / "knative" / "platform-network-policy.yaml")

(BROKER,) = event_manifests("Broker")


def function_pod(name: str) -> Pod:
    """Return a function's pod, with the template's labels and those that Knative adds (makeLabels in serving)."""
    labels = SERVICES[name]["spec"]["template"]["metadata"]["labels"]
    return Pod(NAMESPACE, {**labels, "serving.knative.dev/service": name, "app": f"{name}-00001"})


def broker_pod(role: str) -> Pod:
    """Return a pod with the labels of IngressLabels and DispatcherLabels in eventing-rabbitmq."""
    name = BROKER["metadata"]["name"]
    return Pod(NAMESPACE, {"eventing.knative.dev/broker": name, "eventing.knative.dev/brokerRole": role})


# Labels from the deployments of serving, eventing and net-kourier, 1.17 to 1.23.
GATEWAY = Pod("kourier-system", {"app": "3scale-kourier-gateway"})
ACTIVATOR = Pod("knative-serving", {"app": "activator"})
AUTOSCALER = Pod("knative-serving", {"app": "autoscaler"})
KOURIER_CONTROLLER = Pod("knative-serving", {"app": "net-kourier-controller"})
PING_SOURCE = Pod(
    "knative-eventing",
    {"eventing.knative.dev/source": "ping-source-controller", "sources.knative.dev/role": "adapter"},
)
NGINX = Pod("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
INGRESS, DISPATCHER = broker_pod("ingress"), broker_pod("dispatcher")
CONNECTOR = Pod(NAMESPACE, {"app.kubernetes.io/name": "soundlift-connector"})
STRANGERS = [Pod("default", {"app": "stranger"}), Pod(NAMESPACE, {"app": "stranger"}), Pod("knative-eventing")]
QUEUE_PROXY = (8012, 8013, 8112)
USER_PORT = 8080
# Constants of pkg/config/config.go of net-kourier. The probe listeners also serve the public hosts.
KOURIER_PUBLIC = (8080, 8443, 8090, 9443)
KOURIER_INTERNAL = (8081, 8444)

each_function = pytest.mark.parametrize("name", SERVICES)
each_stranger = pytest.mark.parametrize("stranger", STRANGERS, ids=lambda pod: pod.namespace)


@each_function
@each_stranger
def test_a_function_s_pod_is_reached_only_through_knative(name: str, stranger: Pod) -> None:
    for port in QUEUE_PROXY:
        assert may_connect(OURS, GATEWAY, function_pod(name), port)
        assert may_connect(OURS, ACTIVATOR, function_pod(name), port)
    assert may_connect(OURS, AUTOSCALER, function_pod(name), 9090)
    for port in (*QUEUE_PROXY, USER_PORT, 8022, 9090, 9091, 9464):
        assert not may_connect(OURS, stranger, function_pod(name), port)
        assert not may_connect(OURS, function_pod("login"), function_pod(name), port)
    assert not may_connect(OURS, GATEWAY, function_pod(name), USER_PORT)


@each_stranger
def test_the_platform_s_policy_closes_the_ways_around_the_functions_policy(stranger: Pod) -> None:
    for port in KOURIER_INTERNAL:
        assert not may_connect(PLATFORM, stranger, GATEWAY, port)
        assert not may_connect(PLATFORM, function_pod("login"), GATEWAY, port)
    for port in QUEUE_PROXY:
        assert not may_connect(PLATFORM, stranger, ACTIVATOR, port)
    for port in KOURIER_PUBLIC:
        assert may_connect(PLATFORM, stranger, GATEWAY, port)


@pytest.mark.parametrize(
    "caller", [DISPATCHER, PING_SOURCE, NGINX, KOURIER_CONTROLLER, CONNECTOR], ids=lambda pod: pod.namespace
)
def test_callers_inside_the_cluster_reach_kourier_s_internal_listeners(caller: Pod) -> None:
    assert all(may_connect(PLATFORM, caller, GATEWAY, port) for port in KOURIER_INTERNAL)


def test_gateway_and_autoscaler_reach_the_activator_and_all_reach_its_metrics() -> None:
    for caller in (GATEWAY, AUTOSCALER):
        assert all(may_connect(PLATFORM, caller, ACTIVATOR, port) for port in QUEUE_PROXY)
    assert may_connect(PLATFORM, STRANGERS[0], ACTIVATOR, 9090)


def test_events_are_accepted_only_from_dispatchers_and_functions_that_send_them() -> None:
    for name, service in SERVICES.items():
        sends = service["metadata"].get("labels", {}).get(SENDS_EVENTS) == "true"
        assert may_connect(OURS, function_pod(name), INGRESS, 8080) == sends
    assert may_connect(OURS, DISPATCHER, INGRESS, 8080)
    assert not any(may_connect(OURS, stranger, INGRESS, 8080) for stranger in STRANGERS)


@each_stranger
def test_only_prometheus_reaches_the_metrics_of_our_pods(stranger: Pod) -> None:
    prometheus = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
    ports = [(DISPATCHER, 9090), (CONNECTOR, 8081), (INGRESS, 9090)]
    ports += [(function_pod("login"), port) for port in (9091, 9464)]
    for target, port in ports:
        assert may_connect(OURS, prometheus, target, port)
        assert not may_connect(OURS, stranger, target, port)


def test_other_pods_in_the_namespace_are_not_restricted() -> None:
    database = Pod(NAMESPACE, {"app": "mysql"})
    assert may_connect(OURS, function_pod("login"), database, 3306)
    own_service = Pod(NAMESPACE, {"serving.knative.dev/service": "shop", "app": "shop-00001"})
    assert may_connect(OURS, STRANGERS[0], own_service, 8012)
