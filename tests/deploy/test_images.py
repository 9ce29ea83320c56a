"""Each image is built from a tree of only its own files, with the versions that the project is tested with."""

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
OTHER_IMAGES = ["cli", "connector"]
PROJECT = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])

each_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def source_files(folder: Path) -> set[str]:
    return {file for file in files_below(folder) if "__pycache__" not in file}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the build tree of every image."""
    folder = tmp_path_factory.mktemp("trees")
    subprocess.run([sys.executable, BUILD, "--only-lay-out", "--trees", folder], check=True)
    return folder


@pytest.mark.parametrize("name", STACK["functions"])
def test_a_function_s_tree_is_the_template_the_function_and_the_common_layer(trees: Path, name: str) -> None:
    tree = trees / name
    files = {"Dockerfile", ".dockerignore", "template.yml", "constraints.txt"}
    assert {path.name for path in tree.iterdir()} == files | {"function"}
    own = source_files(ROOT / "functions" / name)
    common = {f"soundlift/common/{file}" for file in source_files(ROOT / "soundlift" / "common")}
    assert files_below(tree / "function") == own | common
    assert (tree / "constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes()


@pytest.mark.parametrize("name", OTHER_IMAGES)
def test_the_tree_of_another_image_is_its_packages_and_the_common_layer(trees: Path, name: str) -> None:
    tree = trees / name
    files = {"Dockerfile", "requirements.txt", "constraints.txt"}
    assert {path.name for path in tree.iterdir()} == files | {"soundlift", "soundlift.dist-info"}
    dependencies = {"local", "client"} if name == "cli" else set()
    assert {path.name for path in (tree / "soundlift").iterdir()} == {"common", name} | dependencies


@pytest.mark.parametrize("name", OTHER_IMAGES)
def test_each_requirement_of_another_image_has_the_range_of_the_project(name: str) -> None:
    requirements = (BUILD.parent / name / "requirements.txt").read_text().splitlines()
    assert requirements
    assert set(requirements) <= PROJECT


@each_dockerfile
def test_an_image_has_a_numeric_user_no_pip_and_a_configurable_base(file: Path) -> None:
    text = file.read_text()
    assert re.search(r"^ARG BASE_IMAGE=docker\.io/library/python:3\.\d+-slim$", text, re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages == {"${BASE_IMAGE}"}
    final = text.rpartition("\nFROM ${BASE_IMAGE}")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final, re.MULTILINE)
    assert "pip install" not in final
    assert "rmtree(pip.__path__[0])" in final
    assert "HEALTHCHECK" not in text


def test_the_template_s_language_is_the_one_that_the_functions_name() -> None:
    assert {entry["lang"] for entry in STACK["functions"].values()} == {TEMPLATE.name}
    assert yaml.safe_load((TEMPLATE / "template.yml").read_text())["language"] == TEMPLATE.name


def test_an_unknown_image_is_refused_by_name() -> None:
    ended = subprocess.run([sys.executable, BUILD, "lgoin"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "there is no image lgoin" in ended.stderr
