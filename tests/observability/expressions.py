"""The expressions of the dashboard and of the alerts, and the metrics and labels that they name."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.factories.manifests import DEPLOY

FOLDER = DEPLOY / "observability"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
INTERVAL = "$__rate_interval"  # which Grafana replaces
METRIC = re.compile(r"\b((?:soundlift|process)_\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def panel_expressions() -> list[str]:
    return [target["expr"].replace(INTERVAL, "5m") for panel in PANELS for target in panel["targets"]]


def alert_expressions() -> list[str]:
    return [alert["expr"] for alert in ALERTS]


def named_metrics(expression: str) -> dict[str, set[str]]:
    """Return the labels by which an expression selects from or groups each metric that it names."""
    grouped = {label.strip() for labels in GROUPING.findall(expression) for label in labels.split(",")}
    found: dict[str, set[str]] = {}
    for name, matchers in METRIC.findall(expression):
        selected = set(re.findall(r"(\w+)[=!]~?", matchers))
        found[name] = found.get(name, set()) | selected | grouped
    return found
