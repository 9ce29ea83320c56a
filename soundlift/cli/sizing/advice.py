"""The settings to change for a load, and what the platforms limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from soundlift.cli.sizing.estimate import DEFAULT_PODS, Estimate
from soundlift.cli.sizing.load import DAY_SECONDS
from soundlift.common.settings import Settings

COMMUNITY_PODS = 5  # at most, of a function, in OpenFaaS's Community Edition
UPLOADS_PER_POD = 32  # at most, at the same time
SERVER_CONNECTIONS = 151  # of MySQL and MariaDB by default; 100 of PostgreSQL, which needs the value, too
SPARE_FACTOR = 2  # uploads are refused beyond so many times the videos of an outage
OPENFAAS_PODS, KNATIVE_PODS = "com.openfaas.scale.max", "autoscaling.knative.dev/max-scale"
PARALLELISM = "rabbitmq.eventing.knative.dev/parallelism"


@dataclass(frozen=True)
class Change:
    """A setting with the value that a load needs, and where it is set."""

    name: str
    value: str
    where: str


def changes(estimate: Estimate) -> list[Change]:
    """Return the settings that must have other values than by default."""
    return [change for change, default in _settings(estimate) if change.value != default]


def _settings(estimate: Estimate) -> Iterator[tuple[Change, str]]:
    """Yield the settings with the values that a load needs, and their defaults."""
    load, default_pods = estimate.load, str(DEFAULT_PODS)
    yield Change("CONVERT_CONCURRENCY", str(load.slots_per_pod), "convert; its limit of CPU is as many cores"), "2"
    yield Change("requests: memory", f"{estimate.convert_memory}Mi", "convert"), "640Mi"
    yield Change("limits: memory", f"{estimate.convert_memory_limit}Mi", "convert"), "2304Mi"
    for function, pods in (("convert", estimate.max_pods), ("upload", max(DEFAULT_PODS, estimate.upload_pods))):
        yield Change(OPENFAAS_PODS, str(pods), f"{function}, in stack.yml"), default_pods
        yield Change(KNATIVE_PODS, str(pods), f"{function}, on Knative"), default_pods
    yield Change("replicas", str(estimate.connectors), "connector, on OpenFaaS"), "2"
    concurrency = str(estimate.deliveries_per_connector)
    yield Change("CONNECTOR_CONCURRENCY", concurrency, "connector, on OpenFaaS"), "5"
    yield Change(PARALLELISM, str(estimate.deliveries), "Trigger video-uploaded, on Knative"), "10"
    for name, days, where in (
        ("retention_seconds", load.retention_days, "all functions"),
        ("row_retention_seconds", load.row_retention_days, "cleanup"),
    ):
        yield Change(name.upper(), str(round(days * DAY_SECONDS)), where), str(getattr(Settings, name))
    waiting = max(Settings.max_waiting_jobs, SPARE_FACTOR * estimate.outage_events)
    yield Change("MAX_WAITING_JOBS", str(waiting), "upload"), str(Settings.max_waiting_jobs)
    upload_bytes = max(Settings.max_upload_bytes, math.ceil(load.megabytes * 1e6))
    yield Change("MAX_UPLOAD_BYTES", str(upload_bytes), "all functions"), str(Settings.max_upload_bytes)
    connections = max(SERVER_CONNECTIONS, estimate.connections)
    yield Change("max_connections", str(connections), "the database server"), str(SERVER_CONNECTIONS)


def warnings(estimate: Estimate) -> list[str]:
    """Return what the platforms do not allow, or what an operator must decide."""
    found = []
    if ways := list(_ways_with_few_pods(estimate)):
        found.append(
            f"OpenFaaS's Community Edition runs at most {COMMUNITY_PODS} pods of a function: there, "
            f"{', and '.join(ways)}; or use Knative or another edition."
        )
    if estimate.conversion_seconds > Settings.max_conversion_seconds / 2:
        found.append(
            f"A conversion takes {estimate.conversion_seconds:.0f} s of processor time, more than half of "
            "MAX_CONVERSION_SECONDS: give each slot more cores, or raise it, and the time-outs with it."
        )
    return found


def _ways_with_few_pods(estimate: Estimate) -> Iterator[str]:
    """Yield what to do for each function that needs more pods than the Community Edition runs."""
    if estimate.pods > COMMUNITY_PODS:
        yield f"give a pod of convert {math.ceil(estimate.slots / COMMUNITY_PODS)} slots and as many cores"
    if estimate.upload_pods > COMMUNITY_PODS:
        yield f"have uploads arrive at most {COMMUNITY_PODS * UPLOADS_PER_POD} at a time"
