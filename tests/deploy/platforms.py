"""The functions and events as stack.yml and the Knative manifests declare them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from soundlift.common.broker.routes import queues_by_topic
from soundlift.common.settings import Settings
from soundlift.local.stack import substitute
from tests.factories.manifests import DEPLOY, ROOT, manifests_in, only_manifest

STACK: dict[str, dict[str, Any]] = yaml.safe_load(substitute((ROOT / "stack.yml").read_text(encoding="utf-8"), {}))[
    "functions"
]
KNATIVE = DEPLOY / "knative"
SERVICES = {service["metadata"]["name"]: service for service in manifests_in(KNATIVE / "functions.yaml")}
EVENTS = manifests_in(KNATIVE / "events.yaml")
SETTINGS = Settings.from_environment({})
SENDS_EVENTS = "soundlift.dev/sends-events"
PUBLIC = {"login", "validate", "upload", "download", "jobs", "hooks", "web"}
MAX_REQUEST_SECONDS = 600  # Knative's default max-revision-timeout-seconds

each_function = pytest.mark.parametrize("name", STACK)


def event_manifests(kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in EVENTS if manifest["kind"] == kind]


def pod_spec(name: str) -> dict[str, Any]:
    """Return the pod spec of a function on Knative."""
    pod: dict[str, Any] = SERVICES[name]["spec"]["template"]["spec"]
    return pod


def service_labels(name: str) -> dict[str, str]:
    """Return the labels of a function's Knative Service."""
    labels: dict[str, str] = SERVICES[name]["metadata"].get("labels", {})
    return labels


def connector_deployment() -> dict[str, Any]:
    """Return the spec of the connector's Deployment."""
    spec: dict[str, Any] = only_manifest(DEPLOY / "connector" / "connector.yaml", "Deployment")["spec"]
    return spec


def functions_by_queue() -> dict[str, str]:
    """Return the function that subscribes to each queue in stack.yml."""
    found = {}
    for name, entry in STACK.items():
        topic = entry.get("annotations", {}).get("topic")
        if queues := queues_by_topic(SETTINGS).get(topic):
            found[name if name in queues else topic] = name
    return found


def max_conversions() -> int:
    """Return how many conversions run concurrently when convert has its maximum number of pods."""
    return pod_spec("convert")["containerConcurrency"] * int(STACK["convert"]["labels"]["com.openfaas.scale.max"])
