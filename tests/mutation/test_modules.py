"""The lists of `make mutate` name what is there, so that a module that moves is not forgotten."""

from __future__ import annotations

import pytest

from tests.mutation.__main__ import read_equivalents, read_modules
from tests.mutation.workspace import ROOT, Module


@pytest.mark.parametrize("module", read_modules().values(), ids=str)
def test_each_file_and_test_of_a_module_is_there(module: Module) -> None:
    for pattern in (*module.files, *module.tests, *module.processes):
        assert list(ROOT.glob(pattern)), f"{module.name} names {pattern}, which is not there"


def test_each_change_that_counts_as_equivalent_is_of_a_file_that_is_mutated_and_has_its_reason() -> None:
    for equivalent in read_equivalents():
        assert any(module.has(equivalent.file) for module in read_modules().values()), equivalent.file
        assert len(equivalent.reason) > len("cannot be noticed"), equivalent
        assert not equivalent.covers("another.module.x_function__mutmut_1", equivalent.change)
