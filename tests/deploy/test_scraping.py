"""Prometheus finds the metrics of every function and of the connector on both platforms, and nobody else does."""

from __future__ import annotations

from typing import Any

import pytest

from soundlift.common.metrics.endpoint import PATH
from tests.deploy.network import Pod, may_connect
from tests.deploy.platforms import SERVICES, STACK, connector_deployment, each_function
from tests.factories.manifests import DEPLOY, container_environment, image_environment, manifests_in

PORT = image_environment()["METRICS_PORT"]
FUNCTION_PORT = image_environment()["PORT"]
OPENFAAS = "openfaas-fn"
POLICIES: list[dict[str, Any]] = [
    {**policy, "metadata": {**policy["metadata"], "namespace": OPENFAAS}}
    for policy in manifests_in(DEPLOY / "openfaas" / "network-policy.yaml")
]
GATEWAY = Pod("openfaas", {"app": "gateway"})
PROMETHEUS = [Pod("openfaas", {"app": "prometheus"}), Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})]


def scrape_annotations(separator: str, port: str) -> dict[str, str]:
    prefix = f"prometheus.io{separator}"
    return {f"{prefix}scrape": "true", f"{prefix}port": port, f"{prefix}path": PATH}


@each_function
def test_openfaas_and_knative_annotate_a_function_s_pods(name: str) -> None:
    """faas-netes adds prometheus.io.scrape=false unless that very key is given; Prometheus reads both spellings."""
    annotations = SERVICES[name]["spec"]["template"]["metadata"]["annotations"]
    assert scrape_annotations("/", PORT).items() <= annotations.items()
    assert scrape_annotations(".", PORT).items() <= STACK[name]["annotations"].items()


def test_the_connector_is_scraped_on_the_port_of_its_health_checks() -> None:
    template = connector_deployment()["template"]
    port = container_environment(template["spec"]["containers"][0])["CONNECTOR_PORT"]
    assert template["metadata"]["annotations"] == scrape_annotations("/", str(port))


@pytest.mark.parametrize("prometheus", PROMETHEUS, ids=lambda pod: pod.namespace)
def test_on_openfaas_only_prometheus_reaches_the_metrics(prometheus: Pod) -> None:
    function, connector = Pod(OPENFAAS, {"faas_function": "login"}), Pod(OPENFAAS, {"app": "connector"})
    assert may_connect(POLICIES, prometheus, function, int(PORT))
    assert may_connect(POLICIES, prometheus, connector, 8081)
    assert not may_connect(POLICIES, GATEWAY, function, int(PORT))
    assert not may_connect(POLICIES, Pod("monitoring"), function, int(FUNCTION_PORT))
    assert not may_connect(POLICIES, Pod("default"), function, int(PORT))
