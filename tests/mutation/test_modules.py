"""The lists of `make mutate` name what is there, so that a module that moves is not forgotten."""

from __future__ import annotations

import pytest

from tests.mutation.module import Equivalent, Module, changes_words_only, read_equivalents, read_modules, squeezed
from tests.mutation.workspace import ROOT


@pytest.mark.parametrize("module", read_modules().values(), ids=str)
def test_each_file_and_test_of_a_module_is_there(module: Module) -> None:
    for pattern in (*module.files, *module.tests, *module.processes):
        assert list(ROOT.glob(pattern)), f"{module.name} names {pattern}, which is not there"


@pytest.mark.parametrize("equivalent", read_equivalents(), ids=lambda equivalent: equivalent.file)
def test_an_equivalent_change_is_of_mutated_code_and_has_a_reason(
    equivalent: Equivalent,
) -> None:
    assert any(module.has(equivalent.file) for module in read_modules().values())
    assert squeezed(equivalent.lines("-")) in squeezed((ROOT / equivalent.file).read_text()), "this code has changed"
    assert len(equivalent.reason) > len("cannot be noticed")
    assert not equivalent.covers("another.module.x_function__mutmut_1", equivalent.change)


@pytest.mark.parametrize(
    ("difference", "words_only"),
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
def test_words_for_people_are_told_from_what_a_program_reads(difference: str, words_only: bool) -> None:
    assert changes_words_only(difference) == words_only
