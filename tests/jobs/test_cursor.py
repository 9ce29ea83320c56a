"""The cursor of a list of changes: what it contains, and which updates it leaves out."""

from __future__ import annotations

import base64
import math

import pytest

from soundlift.common.jobs.cursor import (
    BUCKETS,
    HEAD,
    MAX_AGE_SECONDS,
    MAX_CURSOR_LENGTH,
    OVERLAP_SECONDS,
    VERSION,
    Cursor,
    Update,
)

NOW = 1_800_000_000.123456
ADA = "ada@example.org"


def updates(number: int, at: float = NOW - 1) -> list[Update]:
    return [Update(f"{each:024x}", at + each / 1e6, deleted=False) for each in range(number)]


def cursor(seen: list[Update], moment: float = NOW, scope: str | None = ADA) -> Cursor:
    """Return a cursor as a client sends it back."""
    parsed = Cursor.parse(str(Cursor.after(seen, moment, scope)), scope)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize("scope", [ADA, None])
def test_a_cursor_is_the_same_after_its_way_to_the_client_and_back(scope: str | None) -> None:
    made = Cursor.after(updates(20), NOW, scope)
    assert Cursor.parse(str(made), scope) == made


def test_what_was_seen_is_no_change_in_any_order() -> None:
    seen = updates(50)
    assert cursor(seen).changes(reversed(seen)) == []


def test_each_new_later_or_deleted_job_is_a_change() -> None:
    seen = updates(3)
    new = Update("f" * 24, NOW, deleted=False)
    later = Update(seen[0].job_id, NOW, deleted=False)
    deleted = Update(seen[1].job_id, seen[1].at, deleted=True)
    for change, known in ((new, seen), (later, seen[1:]), (deleted, [seen[0], seen[2]])):
        assert cursor(seen).changes([*known, change]) == [change]


def test_a_change_that_was_committed_late_is_found_though_a_later_one_was_seen() -> None:
    late, seen = Update("a" * 24, NOW - OVERLAP_SECONDS + 1, deleted=False), Update("b" * 24, NOW, deleted=False)
    assert cursor([seen]).changes([late, seen]) == [late]


def test_a_window_begins_before_every_transaction_that_may_still_run_and_never_moves_back() -> None:
    assert cursor([]).since == NOW - OVERLAP_SECONDS == Cursor.start(NOW)
    assert Cursor.after([], NOW, ADA, since=NOW - 10).since == NOW - 10


def test_a_job_that_left_the_window_is_not_part_of_the_cursor() -> None:
    old, recent = Update("a" * 24, NOW - OVERLAP_SECONDS - 1, deleted=False), Update("b" * 24, NOW, deleted=False)
    assert cursor([old, recent]) == cursor([recent])


@pytest.mark.parametrize("number", [0, 20, 10 * BUCKETS])
def test_a_cursor_is_short_however_many_jobs_have_changed(number: int) -> None:
    text = str(Cursor.after(updates(number), NOW, ADA))
    assert len(text) <= (50 + 10 * number if number <= 20 else MAX_CURSOR_LENGTH)
    assert cursor(updates(number)).changes(updates(number)) == []


@pytest.mark.parametrize("scope", [None, "bob@example.org", "", "user ada@example.org"])
def test_a_cursor_of_another_list_is_unknown(scope: str | None) -> None:
    assert Cursor.parse(str(Cursor.after([], NOW, ADA)), scope) is None


HEADER = base64.urlsafe_b64encode(HEAD.pack(VERSION, NOW, b"abcd")).decode()


@pytest.mark.parametrize(
    "text",
    ["", "a", "ab", "é", "\ud800", "!" * 40, HEADER, HEADER + "A", "A" * 5000, str(Cursor.after([], NOW, ADA))[1:]],
)
def test_a_text_that_is_no_cursor_is_unknown(text: str) -> None:
    assert Cursor.parse(text, ADA) is None


@pytest.mark.parametrize(
    ("since", "valid"),
    [
        (NOW, True),
        (NOW - MAX_AGE_SECONDS, True),
        (NOW - MAX_AGE_SECONDS - 1, False),
        (NOW + 1, False),
        (-math.inf, False),
        (math.inf, False),
        (math.nan, False),
    ],
)
def test_a_cursor_is_valid_for_a_limited_time_and_not_after_the_clock_was_set_back(since: float, valid: bool) -> None:
    assert Cursor(since, ADA, {}).is_valid(NOW) is valid
