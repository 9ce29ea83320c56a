"""An image holds what its part uses, in the versions that the project is tested with, and is built from one tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from soundlift.local.stack import substitute

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "deploy" / "images" / "build.py"
STACK = yaml.safe_load(substitute((ROOT / "stack.yml").read_text(encoding="utf-8"), {}))
TEMPLATE = ROOT / "template" / "python3-soundlift"
DOCKERFILES = [TEMPLATE / "Dockerfile", BUILD.with_name("Dockerfile")]
OURS = ["cli", "connector"]
PROJECT = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])

each_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def sources_of(folder: Path) -> set[str]:
    return {file for file in files_below(folder) if "__pycache__" not in file}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the tree of every image."""
    folder = tmp_path_factory.mktemp("trees")
    subprocess.run([sys.executable, BUILD, "--only-lay-out", "--trees", folder], check=True)
    return folder


@pytest.mark.parametrize("name", STACK["functions"])
def test_a_function_s_tree_is_the_template_the_function_and_the_common_layer(trees: Path, name: str) -> None:
    tree = trees / name
    files = {"Dockerfile", ".dockerignore", "template.yml", "constraints.txt"}
    assert {path.name for path in tree.iterdir()} == files | {"function"}
    own = sources_of(ROOT / "functions" / name)
    common = {f"soundlift/common/{file}" for file in sources_of(ROOT / "soundlift" / "common")}
    assert files_below(tree / "function") == own | common
    assert (tree / "constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes()


@pytest.mark.parametrize("name", OURS)
def test_a_tree_of_ours_is_its_package_and_the_common_layer(trees: Path, name: str) -> None:
    tree = trees / name
    files = {"Dockerfile", "requirements.txt", "constraints.txt"}
    assert {path.name for path in tree.iterdir()} == files | {"soundlift", "soundlift.dist-info"}
    used = {"local", "client.py"} if name == "cli" else set()
    assert {path.name for path in (tree / "soundlift").iterdir()} == {"common", name} | used


@pytest.mark.parametrize("name", OURS)
def test_each_requirement_of_ours_has_the_range_of_the_project(name: str) -> None:
    requirements = (BUILD.parent / name / "requirements.txt").read_text().splitlines()
    assert requirements
    assert set(requirements) <= PROJECT


@each_dockerfile
def test_an_image_runs_as_a_numeric_user_without_pip_on_a_base_that_can_be_chosen(file: Path) -> None:
    text = file.read_text()
    assert re.search(r"^ARG BASE_IMAGE=docker\.io/library/python:3\.\d+-slim$", text, re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages == {"${BASE_IMAGE}"}
    final = text.rpartition("\nFROM ${BASE_IMAGE}")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final, re.MULTILINE)
    assert "pip install" not in final
    assert "rmtree(pip.__path__[0])" in final
    assert "HEALTHCHECK" not in text


def test_the_template_is_of_the_language_that_the_functions_name() -> None:
    assert {entry["lang"] for entry in STACK["functions"].values()} == {TEMPLATE.name}
    assert yaml.safe_load((TEMPLATE / "template.yml").read_text())["language"] == TEMPLATE.name


def test_an_unknown_image_is_refused_by_name() -> None:
    ended = subprocess.run([sys.executable, BUILD, "lgoin"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "there is no image lgoin" in ended.stderr
