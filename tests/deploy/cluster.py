"""The part of a Kubernetes API server that deploy/roll-out-secrets.sh needs, for the real kubectl."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug import Request, Response

from devservers.knative_broker import WsgiServer

KINDS = {
    "v1": {"secrets": "Secret", "configmaps": "ConfigMap"},
    "apps/v1": {"deployments": "Deployment"},
    "serving.knative.dev/v1": {"services": "Service"},
}
Item = dict[str, Any]


class Cluster:
    """Objects by API path, which can be read, listed by one label, and patched."""

    def __init__(self, *, knative: bool) -> None:
        self.objects: dict[str, Item] = {}
        self._versions = [version for version in KINDS if knative or "knative" not in version]

    def add(self, version: str, plural: str, name: str, labels: dict[str, str] | None = None, **rest: Any) -> Item:
        """Add an object to the namespace `soundlift`."""
        metadata = {"name": name, "namespace": "soundlift", "labels": labels or {}}
        item = {"apiVersion": version, "kind": KINDS[version][plural], "metadata": metadata, **rest}
        self.objects[f"{_root(version)}/namespaces/soundlift/{plural}/{name}"] = item
        return item

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer a request of kubectl."""
        request = Request(environ)
        document, status = self._answer(request)
        return Response(json.dumps(document), status, content_type="application/json")(environ, start_response)

    def _answer(self, request: Request) -> tuple[Item, int]:
        path = request.path
        if (discovered := self._discover(path)) is not None:
            return discovered, 200
        if path in self.objects:
            if request.method == "PATCH":
                _merge(self.objects[path], json.loads(request.get_data()))
            return self.objects[path], 200
        below = [one for key, one in self.objects.items() if key.rpartition("/")[0] == path]
        if path.rpartition("/")[2] in {plural for kinds in KINDS.values() for plural in kinds}:
            return {"kind": "List", "apiVersion": "v1", "items": _selected(below, request.args)}, 200
        return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}, 404

    def _discover(self, path: str) -> Item | None:
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [version for version in self._versions if "/" in version]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(version) for version in groups]}
        for version in self._versions:
            if path == _root(version):
                resources = [_resource(plural, kind) for plural, kind in KINDS[version].items()]
                return {
                    "kind": "APIResourceList",
                    "apiVersion": "v1",
                    "groupVersion": version,
                    "resources": resources,
                }
        return None


@contextmanager
def served(cluster: Cluster) -> Iterator[str]:
    """Serve a cluster and yield a kubeconfig for it."""
    with WsgiServer(cluster) as server:
        context = {"name": "test", "context": {"cluster": "test", "user": ""}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [context],
            "clusters": [{"name": "test", "cluster": {"server": server.url.rstrip("/")}}],
        }
        yield json.dumps(config)


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _group(version: str) -> Item:
    named = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}


def _resource(plural: str, kind: str) -> Item:
    verbs = ["get", "list", "patch"]
    return {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}


def _selected(items: list[Item], arguments: Any) -> list[Item]:
    """Return the items that match a selector such as `key=value` or `key in (one,other)`, or all without one."""
    selector = arguments.get("labelSelector")
    if not selector:
        return items
    ((key, values),) = re.findall(r"^([^ =!,]+)(?:=| in )\(?([^()]+)\)?$", selector)
    return [one for one in items if one["metadata"]["labels"].get(key) in values.split(",")]


def _merge(target: Item, patch: Item) -> None:
    """Apply a merge patch without deletions (RFC 7396)."""
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value
