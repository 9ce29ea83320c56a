"""A function's image holds what the function uses, in the versions that the project is tested with."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
FUNCTIONS = sorted(path.parent for path in ROOT.glob("functions/*/handler.py"))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_each_requirement_of_a_function_has_the_range_of_the_project(function: Path) -> None:
    requirements = (function / "requirements.txt").read_text().splitlines()
    assert requirements
    assert set(requirements) <= PROJECT
