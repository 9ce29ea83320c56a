"""The lists of `make mutate` match the code, so that moved modules are not missed."""

from __future__ import annotations

import pytest

from tests.mutation.module import (
    Equivalent,
    Module,
    changes_only_wording,
    read_equivalents,
    read_modules,
    without_spaces,
)
from tests.mutation.workspace import ROOT


@pytest.mark.parametrize("module", read_modules().values(), ids=str)
def test_each_file_and_test_of_a_module_exists(module: Module) -> None:
    for pattern in (*module.files, *module.tests, *module.processes):
        assert list(ROOT.glob(pattern)), f"{module.name} names {pattern}, which does not exist"


@pytest.mark.parametrize("equivalent", read_equivalents(), ids=lambda equivalent: equivalent.file)
def test_an_equivalent_change_matches_mutated_code_and_has_a_reason(
    equivalent: Equivalent,
) -> None:
    assert any(module.has(equivalent.file) for module in read_modules().values())
    assert without_spaces(equivalent.lines("-")) in without_spaces((ROOT / equivalent.file).read_text()), (
        "this code has changed"
    )
    assert len(equivalent.reason) > len("cannot be noticed")
    assert not equivalent.covers("another.module.x_function__mutmut_1", equivalent.change)


@pytest.mark.parametrize(
    ("difference", "wording_only"),
    [
        ('-a["Accept"]\n+a["ACCEPT"]', True),
        ('-a["Accept"]\n+a["XXAcceptXX"]', False),
        ('-raise E("There is none.", setting="A")\n+raise E("XXThere is none.XX", setting="A")', True),
        ('-raise E("There is none.", setting="A")\n+raise E("There is none.", setting="XXAXX")', False),
        ('-raise E("There is none.", setting="A")\n+raise E(None, setting="A")', False),
        ("-a < b\n+a <= b", False),
        ("-", False),
        ("", False),
    ],
)
def test_changes_of_wording_are_distinguished_from_changes_of_values(difference: str, wording_only: bool) -> None:
    assert changes_only_wording(difference) == wording_only
