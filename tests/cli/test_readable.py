"""Lengths and sizes have the same form as on the page."""

from __future__ import annotations

import pytest

from soundlift.cli.readable import length_text
from soundlift.common.sizes import size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (5.9, "0:05"), (59.99, "0:59"), (60, "1:00"), (1800, "30:00"), (3599.9, "59:59"), (3729, "1:02:09")],
)
def test_a_length_has_minutes_and_seconds_and_hours_if_it_is_long(seconds: float, text: str) -> None:
    assert length_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (115_349, "115 kB"),
        (999_500, "1.0 MB"),
        (99_949_999, "99.9 MB"),
        (99_950_000, "100 MB"),
        (2_500_000_000_000_000, "2500 TB"),
    ],
)
def test_a_size_has_two_or_three_digits_and_a_decimal_unit(size: int, text: str) -> None:
    assert size_text(size) == text
