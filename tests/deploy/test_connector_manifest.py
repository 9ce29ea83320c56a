"""The connector's Deployment fits the functions that it calls: their addresses, concurrency and time-outs."""

from __future__ import annotations

from typing import Any

import yaml

from soundlift.common.settings import Settings
from soundlift.common.web.gunicorn_config import RELEASE_SECONDS
from soundlift.connector.__main__ import SECONDS_BEYOND_CONVERSION, SECONDS_BEYOND_DRAIN
from tests.deploy.platforms import (
    KNATIVE,
    MAX_REQUEST_SECONDS,
    SETTINGS,
    STACK,
    connector_deployment,
    functions_by_queue,
    max_conversions,
    pod_spec,
)
from tests.factories.manifests import (
    DEPLOY,
    container_environment,
    image_environment,
    only_manifest,
    parse_go_duration,
)


def connector_container() -> dict[str, Any]:
    container: dict[str, Any]
    (container,) = connector_deployment()["template"]["spec"]["containers"]
    return container


def variable_added_by(platform: str) -> dict[str, str]:
    """Return the variable that a platform adds to the connector."""
    kustomization = yaml.safe_load((DEPLOY / platform / "kustomization.yaml").read_text())
    (patch,) = kustomization["patches"]
    (operation,) = yaml.safe_load(patch["patch"])
    assert operation["path"] == "/spec/template/spec/containers/0/env/-"
    return {operation["value"]["name"]: operation["value"]["value"]}


def test_the_connectors_deliver_as_many_videos_concurrently_as_convert_can_process() -> None:
    concurrency = int(container_environment(connector_container())["CONNECTOR_CONCURRENCY"] or 0)
    assert connector_deployment()["replicas"] * concurrency == max_conversions()


def test_a_stopping_connector_hands_back_its_messages_before_it_is_killed() -> None:
    drain = container_environment(connector_container())["DRAIN_SECONDS"]
    in_flight = Settings.from_environment({"DRAIN_SECONDS": str(drain)}).drain_seconds + SECONDS_BEYOND_DRAIN
    pod = connector_deployment()["template"]["spec"]
    assert in_flight + RELEASE_SECONDS <= pod["terminationGracePeriodSeconds"]
    # An OpenFaaS function that is stopped at the same time has released its work by then.
    functions = Settings.from_environment(image_environment())
    assert functions.drain_seconds + RELEASE_SECONDS < in_flight


def test_the_connector_s_settings_lead_to_the_functions() -> None:
    container = connector_container()
    own = {name: str(value) for name, value in container_environment(container).items() if value is not None}
    Settings.from_environment({**own, **variable_added_by("openfaas")})
    static = Settings.from_environment({**own, **variable_added_by("knative/other-programs")})
    namespace = only_manifest(KNATIVE / "namespace.yaml", "Namespace")["metadata"]["name"]
    assert dict(static.subscribers) == {
        queue: f"http://{function}.{namespace}.svc.cluster.local" for queue, function in functions_by_queue().items()
    }
    assert container["ports"][0]["containerPort"] == static.connector_port


def test_the_connector_waits_longer_than_any_conversion_and_the_gateways_longer() -> None:
    conversion = int(STACK["convert"]["environment"]["MAX_CONVERSION_SECONDS"])
    assert conversion == SETTINGS.max_conversion_seconds  # from which the connector computes its time-out
    connector = conversion + SECONDS_BEYOND_CONVERSION
    knative = pod_spec("convert")
    assert conversion < knative["responseStartTimeoutSeconds"] == knative["timeoutSeconds"] <= MAX_REQUEST_SECONDS
    values = yaml.safe_load((DEPLOY / "openfaas" / "values.yaml").read_text())
    upstream = parse_go_duration(values["gateway"]["upstreamTimeout"])
    gateways = [
        parse_go_duration(values[part][key])
        for part in ("gateway", "faasnetes")
        for key in ("readTimeout", "writeTimeout")
    ]
    assert conversion < connector < upstream < min(gateways)
