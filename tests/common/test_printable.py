"""Text from strangers is shown so that everything in it can be seen; the page follows the same rule."""

from __future__ import annotations

import json
from pathlib import Path
from unicodedata import category

import pytest

from soundlift.common.printable import escaped, replaced

EXAMPLES = json.loads((Path(__file__).parents[1] / "web" / "printable.json").read_text())
UNSEEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example["escaped"]))
def test_what_cannot_be_seen_is_escaped_or_replaced(example: dict[str, str]) -> None:
    assert escaped(example["text"]) == example["escaped"]
    assert replaced(example["text"], "_") == example["replaced"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example["escaped"]))
def test_a_text_that_was_made_safe_stays_as_it_is(example: dict[str, str]) -> None:
    assert escaped(example["escaped"]) == example["escaped"]
    assert replaced(example["replaced"], "_") == example["replaced"]


def test_no_character_that_unicode_calls_unseen_is_left_alone() -> None:
    unseen = [chr(code) for code in range(0x30000) if category(chr(code)) in UNSEEN_CATEGORIES]
    assert len(unseen) > 10_000
    assert replaced("".join(unseen), "") == ""


def test_a_flood_of_a_hundred_thousand_characters_is_escaped() -> None:
    flood = "\u202e" * 25_000 + "\u0301" * 25_000 + "\u200d" * 25_000 + "\ufe0f" * 25_000
    assert replaced(flood, "") == ""
    assert escaped(flood).isascii()
