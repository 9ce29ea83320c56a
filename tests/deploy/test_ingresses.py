"""The ingresses of both platforms, and the documented configuration of nginx, expose the public functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.platforms import KNATIVE, PUBLIC, STACK
from tests.factories.manifests import DEPLOY, manifests_in

NGINX = "nginx.ingress.kubernetes.io"
PROXY_PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"


def ingresses_in(folder: Path) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests_in(folder / "ingress.yaml") if manifest["kind"] == "Ingress"]


def is_redirect(ingress: dict[str, Any]) -> bool:
    return f"{NGINX}/permanent-redirect" in ingress["metadata"]["annotations"]


def routes_in(folder: Path) -> list[dict[str, Any]]:
    """Return the ingresses that lead to functions."""
    return [ingress for ingress in ingresses_in(folder) if not is_redirect(ingress)]


def ingress_paths(ingress: dict[str, Any]) -> list[str]:
    return [path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]]


def leads(ingress: dict[str, Any], address: str) -> bool:
    return any(re.match(path, address) for path in ingress_paths(ingress))


def test_the_ingresses_expose_the_public_functions_and_no_others() -> None:
    exposed = [
        name
        for name in [*STACK, "system", "ui"]
        for ingress in routes_in(DEPLOY / "openfaas")
        if leads(ingress, f"/{name}/a")
    ]
    assert sorted(exposed) == sorted(PUBLIC)
    ingresses = routes_in(KNATIVE)
    assert {ingress["metadata"]["name"] for ingress in ingresses} == PUBLIC
    for ingress in ingresses:
        name = ingress["metadata"]["name"]
        assert leads(ingress, f"/{name}/a")
        assert ingress["metadata"]["annotations"][f"{NGINX}/upstream-vhost"].startswith(f"{name}.")


def test_the_documented_nginx_exposes_the_public_functions_and_no_others() -> None:
    paths = re.findall(r"location ~ (\S+) \{\s+proxy_pass", PROXY_PAGE.read_text())
    for suffix in ("", "/", "/a"):
        exposed = {name for name in [*STACK, "system", "ui"] for path in paths if re.search(path, f"/{name}{suffix}")}
        assert exposed == PUBLIC


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_the_ingresses_buffer_all_requests_but_uploads_and_limit_connections(platform: str) -> None:
    for ingress in ingresses_in(DEPLOY / platform):
        annotations = ingress["metadata"]["annotations"]
        is_upload = leads(ingress, "/upload")
        assert annotations.get(f"{NGINX}/proxy-request-buffering", "on") == ("off" if is_upload else "on")
        assert (annotations[f"{NGINX}/proxy-body-size"] == "0") == is_upload
        assert int(annotations[f"{NGINX}/limit-connections"]) > 0


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
@pytest.mark.parametrize("address", ["/", "/web"])
def test_an_address_above_the_page_redirects_to_it(platform: str, address: str) -> None:
    (ingress,) = [ingress for ingress in ingresses_in(DEPLOY / platform) if leads(ingress, address)]
    (rule,) = ingress["spec"]["rules"]
    assert ingress["metadata"]["annotations"][f"{NGINX}/permanent-redirect"] == f"https://{rule['host']}/web/"
    assert not leads(ingress, "/web/")
    assert not leads(ingress, "/jobs")


def rewritten(platform: str, address: str) -> tuple[str, str]:
    """Return the host, if it is replaced, and the path with which an address reaches its function."""
    (found,) = [
        (ingress["metadata"]["annotations"], match)
        for ingress in routes_in(DEPLOY / platform)
        for path in ingress_paths(ingress)
        if (match := re.match(path, address))
    ]
    annotations, match = found
    target = re.sub(r"\$(\d)", lambda number: match[int(number[1])], annotations[f"{NGINX}/rewrite-target"])
    return annotations.get(f"{NGINX}/upstream-vhost", ""), target


@pytest.mark.parametrize("name", ["docs", "openapi.yaml"])
def test_the_description_of_the_api_is_at_its_address_on_each_platform_and_behind_nginx(name: str) -> None:
    assert rewritten("openfaas", f"/{name}") == ("", f"/function/web/{name}")
    assert rewritten("openfaas", f"/web/{name}") == ("", f"/function/web/{name}")
    for address in (f"/{name}", f"/web/{name}"):
        assert rewritten("knative", address) == ("web.soundlift.svc.cluster.local", f"/{name}")
    paths = re.findall(r"location ~ (\S+) \{\s+proxy_pass", PROXY_PAGE.read_text())
    assert any(re.search(path, f"/{name}") for path in paths)
    assert not any(re.search(path, f"/{name}/more") for path in paths)
