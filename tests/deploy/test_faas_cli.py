"""The output of faas-cli for this project agrees with our own build and manifests.

The tests run against faas-cli's documentation, and against faas-cli itself if it is on PATH.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from tests.deploy.documented_faas_cli import DocumentedFaasCli
from tests.deploy.test_images import BUILD, files_below
from tests.deploy.test_stack import FUNCTIONS
from tests.factories.manifests import ROOT, manifests_in

NEEDED = ("functions", "template", "soundlift/common")
NO_CACHE = shutil.ignore_patterns("__pycache__")
Objects = Sequence[dict[str, Any]]


class FaasCli(Protocol):
    def shrinkwrap(self) -> None: ...

    def openfaas_functions(self) -> Objects: ...

    def knative_services(self) -> Objects: ...


class InstalledFaasCli:
    """The commands of the faas-cli on PATH, applied to a copy of a project."""

    def __init__(self, project: Path) -> None:
        self._project = project

    def shrinkwrap(self) -> None:
        self._run("build", "--shrinkwrap")

    def openfaas_functions(self) -> Objects:
        return [one for one in yaml.safe_load_all(self._run("generate")) if one]

    def knative_services(self) -> Objects:
        return [one for one in yaml.safe_load_all(self._run("generate", "--api=serving.knative.dev/v1")) if one]

    def _run(self, *arguments: str) -> str:
        command = ["faas-cli", *arguments]
        return subprocess.run(command, cwd=self._project, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the files that faas-cli reads, because it writes below the project."""
    folder = tmp_path / "project"
    for part in NEEDED:
        shutil.copytree(ROOT / part, folder / part, ignore=NO_CACHE)
    shutil.copy(ROOT / "stack.yml", folder)
    return folder


@pytest.fixture(params=[DocumentedFaasCli, *([InstalledFaasCli] if shutil.which("faas-cli") else [])])
def faas_cli(project: Path, request: pytest.FixtureRequest) -> FaasCli:
    made: FaasCli = request.param(project)
    return made


def by_name(objects: Objects) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects}


@pytest.mark.slow
def test_faas_cli_lays_out_the_same_tree_as_our_build(faas_cli: FaasCli, project: Path, tmp_path: Path) -> None:
    faas_cli.shrinkwrap()
    subprocess.run([sys.executable, BUILD, "--only-lay-out", "--trees", tmp_path / "trees"], check=True)
    for name in FUNCTIONS:
        theirs, ours = project / "build" / name, tmp_path / "trees" / name
        assert files_below(theirs) == files_below(ours)
        for file in files_below(ours):
            assert (theirs / file).read_bytes() == (ours / file).read_bytes(), file


def test_its_openfaas_functions_contain_everything_in_stack_yml(faas_cli: FaasCli) -> None:
    functions = by_name(faas_cli.openfaas_functions())
    assert functions.keys() == FUNCTIONS.keys()
    for name, entry in FUNCTIONS.items():
        spec = functions[name]["spec"]
        for key in ("image", "environment", "labels", "annotations", "limits", "requests", "secrets"):
            assert spec.get(key) == entry.get(key), key
        assert spec["readOnlyRootFilesystem"] is True


def test_its_knative_services_lack_fields_that_our_manifests_have(faas_cli: FaasCli) -> None:
    services = by_name(faas_cli.knative_services())
    ours = by_name(manifests_in(ROOT / "deploy" / "knative" / "functions.yaml"))
    assert services.keys() == ours.keys()
    for name, service in services.items():
        (theirs,) = service["spec"]["template"]["spec"]["containers"]
        (own,) = ours[name]["spec"]["template"]["spec"]["containers"]
        assert theirs["image"].rpartition("/")[2].partition(":")[0] == name
        assert {"resources", "readinessProbe", "securityContext"} <= own.keys() - theirs.keys()
