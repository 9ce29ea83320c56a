"""faas-cli, where it is on PATH, makes of this project what our own build and manifests do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_images import BUILD, files_below
from tests.deploy.test_stack import FUNCTIONS
from tests.factories.manifests import ROOT, manifests_in

pytestmark = pytest.mark.skipif(not shutil.which("faas-cli"), reason="faas-cli is not on PATH")
NEEDED = ("functions", "template", "soundlift/common")
NO_CACHE = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what faas-cli reads, since it writes below the project."""
    folder = tmp_path_factory.mktemp("project")
    for part in NEEDED:
        shutil.copytree(ROOT / part, folder / part, ignore=NO_CACHE)
    shutil.copy(ROOT / "stack.yml", folder)
    return folder


def generated(project: Path, *options: str) -> dict[str, dict[str, Any]]:
    told = subprocess.run(["faas-cli", "generate", *options], cwd=project, check=True, capture_output=True, text=True)
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all(told.stdout) if one}


def test_its_tree_of_each_function_is_ours(project: Path, tmp_path: Path) -> None:
    subprocess.run(["faas-cli", "build", "--shrinkwrap"], cwd=project, check=True, capture_output=True)
    subprocess.run([sys.executable, BUILD, "--only-lay-out", "--trees", tmp_path], check=True)
    for name in FUNCTIONS:
        theirs, ours = project / "build" / name, tmp_path / name
        assert files_below(theirs) == files_below(ours)
        for file in files_below(ours):
            assert (theirs / file).read_bytes() == (ours / file).read_bytes(), file


def test_what_it_generates_for_openfaas_says_all_that_stack_yml_says(project: Path) -> None:
    functions = generated(project)
    assert functions.keys() == FUNCTIONS.keys()
    for name, entry in FUNCTIONS.items():
        spec = functions[name]["spec"]
        for key in ("image", "environment", "labels", "annotations", "limits", "requests", "secrets"):
            assert spec.get(key) == entry.get(key), key
        assert spec["readOnlyRootFilesystem"] is True


def test_what_it_generates_for_knative_lacks_what_our_manifests_have(project: Path) -> None:
    services = generated(project, "--api=serving.knative.dev/v1")
    ours = {one["metadata"]["name"]: one for one in manifests_in(ROOT / "deploy" / "knative" / "functions.yaml")}
    assert services.keys() == ours.keys()
    for name, service in services.items():
        (theirs,) = service["spec"]["template"]["spec"]["containers"]
        (own,) = ours[name]["spec"]["template"]["spec"]["containers"]
        assert theirs["image"].rpartition("/")[2].partition(":")[0] == name
        assert {"resources", "readinessProbe", "securityContext"} <= own.keys() - theirs.keys()
