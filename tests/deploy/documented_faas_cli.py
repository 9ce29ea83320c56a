"""The documented behaviour of faas-cli, for machines without faas-cli.

Keys of stack.yml: https://docs.openfaas.com/reference/yaml. Output of `generate`: schema/openfaas/v1 and
schema/knative/v1 in openfaas/faas-cli. Tree of `build --shrinkwrap`: https://docs.openfaas.com/cli/templates.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from soundlift.local.stack import substitute

SPEC_FIELDS = {
    "image": "image",
    "environment": "environment",
    "labels": "labels",
    "annotations": "annotations",
    "limits": "limits",
    "requests": "requests",
    "constraints": "constraints",
    "secrets": "secrets",
    "readonly_root_filesystem": "readOnlyRootFilesystem",
}
SECRETS = "/var/openfaas/secrets"


class DocumentedFaasCli:
    """The commands that need no gateway, applied to a copy of a project."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._stack: dict[str, Any] = yaml.safe_load(substitute((project / "stack.yml").read_text(), {}))

    def shrinkwrap(self) -> None:
        """Lay out build/NAME: the template, with the handler's folder and the copied folders below function/."""
        for name, entry in self._stack["functions"].items():
            tree = self._project / "build" / name
            shutil.copytree(self._project / "template" / entry["lang"], tree)
            shutil.copytree(self._project / entry["handler"], tree / "function", dirs_exist_ok=True)
            for extra in self._stack["configuration"]["copy"]:
                shutil.copytree(self._project / extra, tree / "function" / extra)

    def openfaas_functions(self) -> list[dict[str, Any]]:
        """Return the Function of each entry."""
        return [
            {
                "apiVersion": "openfaas.com/v1",
                "kind": "Function",
                "metadata": {"name": name, "namespace": "openfaas-fn"},
                "spec": {"name": name} | {SPEC_FIELDS[key]: entry[key] for key in SPEC_FIELDS.keys() & entry.keys()},
            }
            for name, entry in self._stack["functions"].items()
        ]

    def knative_services(self) -> list[dict[str, Any]]:
        """Return the Service of each entry; faas-cli writes no limits, labels or probes."""
        return [_service(name, entry) for name, entry in self._stack["functions"].items()]


def _service(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    secrets = entry.get("secrets", [])
    container = {
        "image": entry["image"],
        "env": [{"name": key, "value": value} for key, value in sorted(entry.get("environment", {}).items())],
        "volumeMounts": [{"name": one, "mountPath": f"{SECRETS}/{one}", "readOnly": True} for one in secrets],
    }
    volumes = [{"name": one, "secret": {"secretName": one}} for one in secrets]
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": entry.get("annotations", {})},
        "spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}},
    }
