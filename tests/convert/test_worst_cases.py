"""A megabyte of the slowest input for each parser is read correctly; the bench row hostile-text measures the time."""

from __future__ import annotations

import pytest

from bench.inputs.worst_cases import CASES, LARGE, WorstCase

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_megabyte_of_hostile_text_is_read_correctly(case: WorstCase) -> None:
    assert case.read(case.make(LARGE)) == case.expected
