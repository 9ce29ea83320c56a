"""The documented table of options matches the declarations."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.options.audio_options import OPTIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "options.md"


def test_the_table_of_options_matches_the_declarations() -> None:
    rows = [
        f"| `{each.name}` | {each.value.allowed} | {each.otherwise} | {f'{each.help} {each.details}'.strip()} |"
        for each in OPTIONS.values()
    ]
    table = "\n".join(["| option | value | without it | meaning |", "|---|---|---|---|", *rows])
    assert f"\n\n{table}\n\n" in DOCUMENT.read_text(), f"docs/options.md must contain this table:\n{table}"
