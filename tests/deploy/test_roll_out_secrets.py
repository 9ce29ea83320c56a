"""A changed Secret or setting replaces the pods that read it, and no others."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cluster import Cluster, served
from tests.deploy.platforms import STACK
from tests.deploy.test_manifests import PODS
from tests.factories.manifests import DEPLOY, mounted_secrets

pytestmark = [pytest.mark.usefixtures("kubectl"), pytest.mark.slow]
SCRIPT = DEPLOY / "roll-out-secrets.sh"
ONLY_IN_JOBS = {"admin-email", "admin-password"}
OURS = {"app.kubernetes.io/part-of": "soundlift"}
USED = ("kubectl", "cut", "grep")
RollOut = Callable[..., subprocess.CompletedProcess[str]]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def template() -> dict[str, Any]:
    return {"template": {"metadata": {"annotations": {"own": "kept"}}}}


def knative() -> Cluster:
    cluster = Cluster(knative=True)
    for name in ("login", "convert"):
        cluster.add("serving.knative.dev/v1", "services", name, OURS, spec=template())
    cluster.add("serving.knative.dev/v1", "services", "shop", spec=template())
    cluster.add("apps/v1", "deployments", "login-00001-deployment", spec=template())
    return cluster


def openfaas() -> Cluster:
    cluster = Cluster(knative=False)
    for name in ("login", "shop"):
        cluster.add("apps/v1", "deployments", name, {"faas_function": name}, spec=template())
    cluster.add(
        "apps/v1", "deployments", "connector", {"app.kubernetes.io/name": "soundlift-connector"}, spec=template()
    )
    return cluster


def template_annotations(cluster: Cluster) -> dict[str, dict[str, str]]:
    return {
        one["metadata"]["name"]: dict(one["spec"]["template"]["metadata"]["annotations"])
        for one in cluster.objects.values()
        if "spec" in one
    }


@pytest.fixture
def roll_out(tmp_path: Path) -> RollOut:
    """Return a function that runs the script against a cluster."""

    def run(cluster: Cluster, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
        with served(cluster) as config:
            (tmp_path / "config").write_text(config)
            environment = {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config")}
            return subprocess.run(
                [SCRIPT, "soundlift"], env=environment, capture_output=True, text=True, check=False, timeout=60
            )

    return run


@pytest.mark.parametrize(
    ("make", "patched"),
    [(knative, {"login", "convert"}), (openfaas, {"login", "connector"})],
    ids=["knative", "openfaas"],
)
def test_a_changed_secret_or_setting_changes_the_pod_templates_that_read_it(
    make: Callable[[], Cluster], patched: set[str], roll_out: RollOut
) -> None:
    cluster = make()
    secret = cluster.add("v1", "secrets", "database-url", data={"database-url": encoded("one")})
    cluster.add("v1", "secrets", "jwt-secret", data={"jwt-secret": encoded("a")})
    settings = cluster.add("v1", "configmaps", "settings", data={"PUBLIC_URL": "http://a"})
    assert roll_out(cluster).returncode == 0
    first = template_annotations(cluster)
    assert {name for name, found in first.items() if "soundlift.dev/secrets" in found} == patched
    assert all(found["own"] == "kept" for found in first.values())

    assert roll_out(cluster).returncode == 0
    assert template_annotations(cluster) == first

    secret["data"]["database-url"] = encoded("other")
    assert roll_out(cluster).returncode == 0
    second = template_annotations(cluster)
    settings["data"]["PUBLIC_URL"] = "http://b"
    assert roll_out(cluster).returncode == 0
    third = template_annotations(cluster)
    for name in patched:
        assert len({found[name]["soundlift.dev/secrets"] for found in (first, second, third)}) == 3


def test_a_namespace_without_secrets_or_functions_is_reported(roll_out: RollOut) -> None:
    cluster = Cluster(knative=True)
    without_secrets = roll_out(cluster)
    assert (without_secrets.returncode, "soundlift has no Secrets" in without_secrets.stderr) == (1, True)
    for name in ("database-url", "jwt-secret"):
        cluster.add("v1", "secrets", name, data={name: encoded("a")})
    without_functions = roll_out(cluster)
    assert (without_functions.returncode, "soundlift has no functions" in without_functions.stderr) == (1, True)


def test_other_functions_in_the_namespace_are_not_patched(roll_out: RollOut) -> None:
    for cluster in (knative(), openfaas()):
        cluster.add("v1", "secrets", "database-url", data={"database-url": encoded("one")})
        cluster.add("v1", "secrets", "jwt-secret", data={"jwt-secret": encoded("a")})
        assert roll_out(cluster).returncode == 0
        assert template_annotations(cluster)["shop"] == {"own": "kept"}


def test_the_selector_on_openfaas_matches_every_function() -> None:
    (names,) = re.findall(r"'faas_function in \((.+)\)'", SCRIPT.read_text())
    assert set(names.split(",")) == STACK.keys()


def path_with(folder: Path, *programs: str) -> str:
    """Make a folder for PATH with only these programs."""
    folder.mkdir()
    for name in programs:
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


def one_function() -> Cluster:
    cluster = knative()
    for name in ("database-url", "jwt-secret"):
        cluster.add("v1", "secrets", name, data={name: encoded("a")})
    return cluster


@pytest.mark.usefixtures("shasum")
def test_shasum_gives_the_same_checksum_as_sha256sum(roll_out: RollOut, tmp_path: Path) -> None:
    found = []
    for program in ("sha256sum", "shasum"):
        cluster = one_function()
        assert roll_out(cluster, path_with(tmp_path / program, program, *USED)).returncode == 0
        found.append(template_annotations(cluster))
    assert found[0] == found[1]
    assert len(found[0]["login"]["soundlift.dev/secrets"]) == 16


def test_without_a_checksum_nothing_is_patched_and_the_reason_is_printed(roll_out: RollOut, tmp_path: Path) -> None:
    nothing, broken = path_with(tmp_path / "nothing", *USED), path_with(tmp_path / "broken", *USED)
    (tmp_path / "broken" / "sha256sum").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "broken" / "sha256sum").chmod(0o755)
    for path, reason in ((nothing, "neither sha256sum nor shasum"), (broken, "has not printed a checksum")):
        cluster = one_function()
        ended = roll_out(cluster, path)
        assert (ended.returncode, reason in ended.stderr) == (1, True), ended.stderr
        assert all("soundlift.dev/secrets" not in found for found in template_annotations(cluster).values())


def test_every_secret_that_a_running_pod_mounts_is_in_the_checksum() -> None:
    mounted = set().union(*(mounted_secrets(pod["spec"]["template"]["spec"]) for pod in PODS)) - ONLY_IN_JOBS
    assert all(f"secret/{name} " in SCRIPT.read_text() for name in mounted)
