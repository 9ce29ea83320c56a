"""Each wall of the threat model in docs/security.md has a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THREAT_MODEL = (ROOT / "docs" / "security.md").read_text().split("### Walls")[1].split("\n## ")[0]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
WALLS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in THREAT_MODEL.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| attack "))
]


@cache
def _tests_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_there_are_walls() -> None:
    assert len(WALLS) > 20


@pytest.mark.parametrize("row", WALLS, ids=lambda row: row[0])
def test_a_wall_has_tests_which_exist(row: list[str]) -> None:
    attack, wall, tests = row
    assert attack
    assert wall
    assert TEST.search(tests)
    for file, test in TEST.findall(tests):
        assert (ROOT / file).exists()
        assert test in _tests_in(file)
    assert set(re.findall(r"`(tests/[^`]*)`", tests)) == {"::".join(found) for found in TEST.findall(tests)}
