"""notify: the words for lengths, sizes, periods and moments."""

from __future__ import annotations

import pytest

from functions.notify.wording import moment_text, readable_length, readable_period
from soundlift.common.sizes import size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0, "0 s"), (5.4, "5 s"), (59.4, "59 s"), (59.6, "1:00 min"), (187.0, "3:07 min")),
        *((3599.4, "59:59 min"), (3599.6, "1:00:00 h"), (3723.0, "1:02:03 h"), (100_000.0, "27:46:40 h")),
    ],
)
def test_a_length_is_readable(seconds: float, text: str) -> None:
    assert readable_length(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *((0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_312_345, "4.3 MB"), (99_949_999, "99.9 MB")),
        *((120_400_000, "120 MB"), (999_600_000, "1.0 GB"), (5 * 10**15, "5000 TB")),
    ],
)
def test_a_size_is_readable(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 minute"), (119, "1 minute"), (7199.99, "2 hours"), (86_400, "24 hours"), (604_800, "7 days")],
)
def test_a_period_is_readable(seconds: float, text: str) -> None:
    assert readable_period(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1 January 1970, 00:00 UTC"), (1e300, "31 December 9999, 00:00 UTC")]
)
def test_a_moment_is_readable(seconds: float, text: str) -> None:
    assert moment_text(seconds) == text
