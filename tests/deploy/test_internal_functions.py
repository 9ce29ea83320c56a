"""On Kubernetes, no address outside of the cluster leads to a function that only events or cron may call.

Which functions these are is read from stack.yml, so that a new one is covered from its first line.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest

from soundlift.local.stack import read_stack
from tests.deploy.network import Pod, may_connect
from tests.deploy.platforms import KNATIVE, PUBLIC, SERVICES, STACK
from tests.factories.manifests import DEPLOY, ROOT, manifests_in, rendered

OPENFAAS = DEPLOY / "openfaas"
INTERNAL = sorted(entry.name for entry in read_stack(ROOT / "stack.yml") if entry.is_internal)
VISIBILITY = "networking.knative.dev/visibility"
NGINX = "nginx.ingress.kubernetes.io"
OUTSIDE = [
    Pod("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"}),
    Pod("default", {"app": "stranger"}),
    Pod("kube-system"),
]
PORTS = (80, 443, 8080, 8081, 8012, 8013, 8022, 8112, 9090, 9091, 9464)

each_internal = pytest.mark.parametrize("name", INTERNAL)


def addresses(name: str) -> list[str]:
    """Return addresses by which a stranger could try to reach a function, decoded and without dots, as nginx does."""
    sent = [f"/{name}", f"/{name}/", f"/{name}/x", f"/function/{name}", f"/function/{name}.openfaas-fn"]
    sent += [f"/async-function/{name}", f"//{name}", f"/{name.upper()}", f"/{name};x", f"/{name}%00", f"/.%2f{name}"]
    for public in sorted(PUBLIC):
        sent += [f"/{public}{name}", f"/{public}.{name}", f"/{public}-{name}", f"/{public}:{name}"]
        sent += [
            f"/{public}/../{name}",
            f"/{public}/..%2f{name}",
            f"/{public}%2f..%2f{name}",
            f"/{public}/%2e%2e/{name}",
        ]
        sent += [
            f"/{public}/%252e%252e/{name}",
            f"/{public}//../../{name}",
            f"/{public}?/../{name}",
            f"/{public}\\..\\{name}",
        ]
    return [posixpath.normpath(unquote(path.partition("?")[0])).replace("//", "/") for path in sent]


@cache
def routes(platform: str) -> list[tuple[str, str, str]]:
    """Return the path of each rule of the ingresses, its rewritten path, and the host that it is sent to."""
    ingresses = [one for one in manifests_in(DEPLOY / platform / "ingress.yaml") if one["kind"] == "Ingress"]
    found = []
    for ingress in ingresses:
        annotations = ingress["metadata"]["annotations"]
        if f"{NGINX}/permanent-redirect" in annotations:
            continue
        target, host = annotations[f"{NGINX}/rewrite-target"], annotations.get(f"{NGINX}/upstream-vhost", "gateway")
        found += [(path["path"], target, host) for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    return found


def destination(platform: str, address: str) -> str | None:
    """Return the function that an address from outside leads to: by the host on Knative, by the path on OpenFaaS."""
    for path, target, host in routes(platform):
        if found := re.match(path, address, re.IGNORECASE):  # as ingress-nginx compares expressions
            rewritten = posixpath.normpath(re.sub(r"\$(\d)", lambda group: found[int(group[1])] or "", target))
            return host.partition(".")[0] if platform == "knative" else rewritten.split("/")[2].partition(".")[0]
    return None


def test_a_function_is_either_public_or_internal() -> None:
    assert INTERNAL
    assert set(INTERNAL) | PUBLIC == STACK.keys()
    assert not set(INTERNAL) & PUBLIC


@each_internal
@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_no_spelling_of_an_address_leads_to_an_internal_function(platform: str, name: str) -> None:
    for address in addresses(name):
        found = destination(platform, address)
        assert found is None or found.lower() in PUBLIC, address


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_the_same_reading_of_the_ingresses_finds_the_public_functions(platform: str) -> None:
    assert {destination(platform, f"/{name}/x") for name in PUBLIC} == PUBLIC


@each_internal
def test_its_pods_accept_no_connection_from_outside(name: str) -> None:
    ours = [with_namespace(policy, "openfaas-fn") for policy in manifests_in(OPENFAAS / "network-policy.yaml")]
    on_openfaas = Pod("openfaas-fn", {"faas_function": name})
    ours_on_knative = [with_namespace(policy, "soundlift") for policy in manifests_in(KNATIVE / "network-policy.yaml")]
    labels = SERVICES[name]["spec"]["template"]["metadata"]["labels"]
    on_knative = Pod("soundlift", {**labels, "serving.knative.dev/service": name})
    for source in OUTSIDE:
        for port in PORTS:
            assert not may_connect(ours, source, on_openfaas, port), (source, port)
            assert not may_connect(ours_on_knative, source, on_knative, port), (source, port)
    assert may_connect(ours, Pod("openfaas", {"app": "gateway"}), on_openfaas, 8080)


def with_namespace(policy: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**policy, "metadata": {**policy["metadata"], "namespace": namespace}}


@pytest.mark.slow  # starts kubectl
@pytest.mark.usefixtures("kubectl")
def test_rendered_knative_services_of_internal_functions_are_cluster_local() -> None:
    """Kourier's public listener does not serve a Service with this label."""
    services = [one for one in rendered(KNATIVE) if one["apiVersion"].startswith("serving.knative.dev/")]
    local = {
        one["metadata"]["name"] for one in services if one["metadata"]["labels"].get(VISIBILITY) == "cluster-local"
    }
    assert local == set(INTERNAL)


@pytest.mark.slow  # starts kubectl
@pytest.mark.usefixtures("kubectl")
@pytest.mark.parametrize("folder", [KNATIVE, KNATIVE / "other-programs", OPENFAAS], ids=lambda folder: folder.name)
def test_nothing_rendered_opens_a_port_or_an_address_of_its_own(folder: Any) -> None:
    for manifest in rendered(folder):
        kind, spec = manifest["kind"], manifest.get("spec", {})
        assert kind not in ("Ingress", "HTTPRoute", "Gateway", "DomainMapping", "Route"), manifest["metadata"]["name"]
        assert spec.get("type") not in ("NodePort", "LoadBalancer")
        assert "externalIPs" not in spec
        pod = spec.get("template", {}).get("spec", {})
        assert not pod.get("hostNetwork")
        assert not [port for one in pod.get("containers", []) for port in one.get("ports", []) if "hostPort" in port]
