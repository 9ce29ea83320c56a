"""The ingresses of both platforms expose the public functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.platforms import KNATIVE, PUBLIC, STACK
from tests.factories.manifests import DEPLOY, manifests_in

NGINX = "nginx.ingress.kubernetes.io"


def ingresses_in(folder: Path) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests_in(folder / "ingress.yaml") if manifest["kind"] == "Ingress"]


def ingress_path(ingress: dict[str, Any]) -> str:
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    return str(path["path"])


def test_the_ingresses_expose_the_public_functions_and_no_others() -> None:
    exposed = [
        name
        for name in [*STACK, "system", "ui"]
        for ingress in ingresses_in(DEPLOY / "openfaas")
        if re.match(ingress_path(ingress), f"/{name}/a")
    ]
    assert sorted(exposed) == sorted(PUBLIC)
    ingresses = ingresses_in(KNATIVE)
    assert {ingress["metadata"]["name"] for ingress in ingresses} == PUBLIC
    for ingress in ingresses:
        name = ingress["metadata"]["name"]
        assert re.match(ingress_path(ingress), f"/{name}/a")
        assert ingress["metadata"]["annotations"][f"{NGINX}/upstream-vhost"].startswith(f"{name}.")


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_the_ingresses_buffer_all_requests_but_uploads_and_limit_connections(platform: str) -> None:
    for ingress in ingresses_in(DEPLOY / platform):
        annotations = ingress["metadata"]["annotations"]
        is_upload = "upload" in ingress_path(ingress)
        assert annotations.get(f"{NGINX}/proxy-request-buffering", "on") == ("off" if is_upload else "on")
        assert (annotations[f"{NGINX}/proxy-body-size"] == "0") == is_upload
        assert int(annotations[f"{NGINX}/limit-connections"]) > 0
