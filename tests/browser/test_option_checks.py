"""The page checks the values of options as the server does."""

from __future__ import annotations

from typing import Any

import pytest

from soundlift.common.audio.mp3_rates import BITRATES, SAMPLE_RATES
from soundlift.common.audio.output_formats import FORMATS, REQUESTABLE, known_options
from soundlift.common.errors import BadOption
from soundlift.common.options.audio_options import TAG_PREFIX, TAGS
from soundlift.common.options.parsing import parse_options
from soundlift.common.settings import Settings
from tests.browser.visits import Visits

TIMES = [
    "0",
    "83.25",
    "1:30",
    "1:02:03.5",
    "00:99.000",
    "100:00",
    "1:60",
    "1:2",
    "-1",
    "1e3",
    "",
    "1234567",
    "１",
    " 1",
]
LINES = ["", "A talk", "é" * 1000, "😀" * 1000, "x" * 1001, "two\nlines", "tab\there", "a\u2028b", "a\u200bb", "\x7f"]
DATES = ["2026", "2026-12", "2026-12-31", "2026-13", "2026-1-1", "26", "soon", "2026-12-32"]
NUMBERS = ["3", "3/12", "3/", "/12", "12345", "0", "three"]
FIELDS = {"quality": "bitrate", "channels": "channels", "sample_rate": "sample_rate", "loudness": "normalize"}
CHANGES: list[dict[str, str]] = [
    {},
    {"bitrate": "128"},
    {"quality": "2"},
    {"normalize": "true"},
    {"normalize": "false"},
    {"start": "1"},
]
GIVEN: list[dict[str, str]] = [
    *({"start": text} for text in TIMES),
    *({"end": text} for text in TIMES if text not in ("0", "")),
    *({"start": start, "end": end} for start, end in (("1", "1"), ("2", "1"), ("1", "2"), ("1:00", "59"), ("x", "1"))),
    *({"track": text} for text in ("1", "999", "1000", "0", "en", "ENG", "e", "engl", "1a", "")),
    *(
        {"normalize": text}
        for text in ("true", "false", "-5", "-70", "-4.9", "-70.1", "-16.25", "16", "-16.1234", "on")
    ),
    *({"tag.title": text} for text in LINES),
    *({"tag.date": text} for text in DATES),
    *({"tag.track": text} for text in NUMBERS),
    *({"tag.disc": text} for text in NUMBERS),
    *({"bitrate": str(bitrate), "sample_rate": str(rate)} for bitrate in BITRATES for rate in SAMPLE_RATES),
    *({"format": "m4a", "bitrate": rate, "sample_rate": "8000"} for rate in ("64", "96", "97", "128")),
    *({"copy": "always", **changed} for changed in CHANGES),
    *({"copy": "never", **changed} for changed in CHANGES),
]


def page_refuses(visits: Visits, given: list[dict[str, str]]) -> list[bool]:
    """Return for each set of options whether the page finds a problem."""
    script = """async given => {
        const { findProblems } = await import("/web/option-values.js");
        return given.map(options => findProblems(new Map(Object.entries(options))).size > 0);
    }"""
    found: list[bool] = visits().page.evaluate(script, given)
    return found


def server_refuses(options: dict[str, str]) -> bool:
    try:
        parse_options(options.items(), Settings.from_environment({}))
    except BadOption:
        return True
    return False


def test_page_and_server_refuse_the_same_values(visits: Visits) -> None:
    # The page leaves out an empty value, which for an option that is not a tag is no value at all.
    given = [options for options in GIVEN if all(text or name.startswith(TAG_PREFIX) for name, text in options.items())]
    differences = [
        options
        for options, refused in zip(given, page_refuses(visits, given), strict=True)
        if refused != server_refuses(options)
    ]
    assert differences == []


@pytest.fixture
def offered(visits: Visits) -> Any:
    """Return the names that the page sends for each list that it offers."""
    script = """async () => {
        const { FORMATS, SAMPLE_RATES, TAGS } = await import("/web/option-values.js");
        return { formats: FORMATS, rates: SAMPLE_RATES, tags: Object.keys(TAGS) };
    }"""
    return visits().page.evaluate(script)


def test_the_page_offers_what_the_server_takes(offered: Any) -> None:
    assert sorted(offered["rates"]) == list(SAMPLE_RATES)
    assert sorted(offered["tags"]) == sorted(TAGS)
    assert tuple(offered["formats"]) == REQUESTABLE
    assert sorted(offered["formats"]["mp3"]["bitrates"]) == list(BITRATES)
    for name, offer in offered["formats"].items():
        bitrates = FORMATS[name].bitrates if name in FORMATS else ()
        assert set(offer["bitrates"]) <= set(bitrates)
        assert bool(offer["bitrates"]) == bool(bitrates)
        unknown = {field for field, option in FIELDS.items() if option not in known_options(name)}
        assert set(offer["without"]) - {"copy"} == unknown, name
