"""constraints.txt pins every package, also the indirect ones, so that it can be audited and installed again."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text().splitlines()
PINS = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in LINES}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
MADE_BY_VENV = {"pip", "setuptools"}


def required_by(requirement: Requirement) -> Iterator[Requirement]:
    """Yield what an installed package requires on this system, with the extras that are asked for."""
    try:
        texts = distribution(requirement.name).requires or []
    except PackageNotFoundError:  # of another group of optional dependencies
        return
    for needed in map(Requirement, texts):
        extras = requirement.extras or {""}
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            yield needed


def all_required() -> set[NormalizedName]:
    names: set[NormalizedName] = set()
    seen: set[str] = set()
    waiting = list(DECLARED)
    while waiting:
        requirement = waiting.pop()
        key = f"{canonicalize_name(requirement.name)} {sorted(requirement.extras)}"
        if key not in seen:
            seen.add(key)
            names.add(canonicalize_name(requirement.name))
            waiting += required_by(requirement)
    return names


def test_each_line_is_one_exact_version() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.]*", line)] == []
    assert len(PINS) == len(LINES)


def test_every_package_that_is_needed_directly_or_indirectly_is_pinned() -> None:
    assert all_required() - PINS.keys() - MADE_BY_VENV == set()


def test_each_pinned_version_is_in_the_range_of_the_project() -> None:
    for requirement in DECLARED:
        assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)]), requirement
