"""Pods are evicted one at a time, and no budget blocks the drain of a node."""

from __future__ import annotations

import pytest

from tests.deploy.platforms import STACK, connector_deployment
from tests.factories.manifests import DEPLOY, manifests_in, only_manifest


@pytest.mark.parametrize(
    ("platform", "label"), [("knative", "serving.knative.dev/service"), ("openfaas", "faas_function")]
)
def test_a_function_s_pods_are_evicted_one_at_a_time_and_block_no_drain(platform: str, label: str) -> None:
    budgets = manifests_in(DEPLOY / platform / "disruption.yaml")
    assert {budget["spec"]["selector"]["matchLabels"][label] for budget in budgets} == STACK.keys() - {"cleanup"}
    for budget in budgets:
        assert budget["spec"].keys() == {"maxUnavailable", "selector"}
        assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_no_two_budgets_apply_to_the_same_pods(platform: str) -> None:
    budgets = manifests_in(DEPLOY / platform / "disruption.yaml")
    for part in ("metadata", "spec"):
        found = [str(budget[part].get("name") or budget[part]["selector"]) for budget in budgets]
        assert len(set(found)) == len(found)
    for budget in budgets:
        assert list(budget["spec"]["selector"]["matchLabels"].values()) == [budget["metadata"]["name"]]


def test_one_connector_may_be_evicted_and_one_always_remains() -> None:
    budget = only_manifest(DEPLOY / "connector" / "connector.yaml", "PodDisruptionBudget")["spec"]
    assert budget["selector"]["matchLabels"].items() <= connector_deployment()["template"]["metadata"]["labels"].items()
    assert budget.keys() == {"minAvailable", "selector"}
    assert budget["minAvailable"] == connector_deployment()["replicas"] - 1 == 1
