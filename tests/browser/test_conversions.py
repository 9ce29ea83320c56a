"""What the page shows and says while a conversion runs, and after it has failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from devservers.local_stack import Stack
from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.browser.visits import Visit
from tests.browser.worker import Conversion, paused_connector

NAME = "Holiday.mp4"


@pytest.fixture
def _paused(stack: Stack) -> Iterator[None]:
    with paused_connector(stack):
        yield


@pytest.fixture
def conversion(_paused: None, visit: Visit, video: Path, stack_services: Services) -> Conversion:
    """Return the conversion of the visitor's only job."""
    visit.upload(video)
    visit.expect_state(NAME, "queued")
    return Conversion(stack_services, visit.job_id(NAME))


def percent(visit: Visit) -> float:
    return float(visit.row(NAME).get_by_role("progressbar").evaluate("bar => bar.value"))


def listen(visit: Visit) -> None:
    """Note from now on what a screen reader says politely."""
    visit.page.evaluate(
        """() => {
            window.heard = [];
            new MutationObserver(records => {
                for (const record of records) for (const node of record.addedNodes) window.heard.push(node.textContent);
            }).observe(document.querySelector("[role=status][aria-live=polite]"), { childList: true });
        }"""
    )


def heard(visit: Visit) -> list[str]:
    return list(visit.page.evaluate("window.heard"))


def test_the_percentage_moves_and_survives_a_reload(visit: Visit, conversion: Conversion) -> None:
    conversion.advance(42)
    expect(visit.row(NAME)).to_contain_text("42\u00a0%")
    assert percent(visit) == 42
    visit.page.reload()
    expect(visit.row(NAME)).to_contain_text("42\u00a0%")
    conversion.advance(58)
    expect(visit.row(NAME)).to_contain_text("58\u00a0%")


def test_two_tabs_agree(visit: Visit, conversion: Conversion) -> None:
    other = visit.another_tab()
    conversion.advance(30)
    for tab in (visit, other):
        expect(tab.row(NAME)).to_contain_text("30\u00a0%")
    other.row(NAME).get_by_role("button", name="Cancel").click()
    for tab in (visit, other):
        tab.expect_state(NAME, "cancelled")
    visit.row(NAME).get_by_role("button", name="Delete").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for tab in (visit, other):
        expect(tab.row(NAME)).to_have_count(0)


def test_a_screen_reader_hears_start_quarters_and_end_but_not_each_per_cent(
    visit: Visit, conversion: Conversion
) -> None:
    listen(visit)
    conversion.advance(1)
    expect(visit.row(NAME)).to_contain_text("1\u00a0%")
    for value in (24, 26, 27, 49, 51, 52):
        conversion.advance(value)
        expect(visit.row(NAME)).to_contain_text(f"{value}\u00a0%")
    conversion.finish(b"ID3", 3.0)
    visit.expect_state(NAME, "ready")
    texts = [text.removeprefix(f"{NAME}: ") for text in heard(visit)]
    assert texts == ["conversion started.", "25 percent converted.", "50 percent converted.",
                     "ready to play and to download."]  # fmt: skip


@pytest.mark.usefixtures("_paused")
def test_a_screen_reader_hears_a_summary_of_several_files(visit: Visit, video: Path, stack_services: Services) -> None:
    names = [f"{number}.mp4" for number in range(4)]
    visit.upload(*({"name": name, "mimeType": "video/mp4", "buffer": video.read_bytes()} for name in names))
    for name in names:
        visit.expect_state(name, "queued")
    listen(visit)
    conversions = [Conversion(stack_services, visit.job_id(name)) for name in names]
    for value in (10, 30, 60, 90):
        for conversion in conversions:
            conversion.advance(value)
        for name in names:
            expect(visit.row(name)).to_contain_text(f"{value}\u00a0%")
    for conversion in conversions[1:]:
        conversion.finish(b"ID3", 3.0)
    conversions[0].fail("no_audio", "The video has no sound.")
    wait_for(lambda: any("ready" in text and "failed" in text for text in heard(visit)), "the end is announced")
    assert len(heard(visit)) < 8  # of 4 starts, 12 quarters and 4 ends
    assert "Files: 3 ready, 1 failed." in heard(visit)


def test_a_cancelled_conversion_can_be_started_again(visit: Visit, conversion: Conversion) -> None:
    conversion.advance(10)
    row = visit.expect_state(NAME, "converting")
    row.get_by_role("button", name="Cancel").click()
    visit.expect_state(NAME, "cancelled")
    row.get_by_role("button", name="Try again").click()
    visit.expect_state(NAME, "queued")


def test_a_failed_conversion_says_what_to_do_and_can_be_tried_again(
    visit: Visit, conversion: Conversion, stack: Stack, stack_services: Services
) -> None:
    conversion.fail("gave_up", "The conversion was interrupted three times.")
    row = visit.expect_state(NAME, "failed")
    expect(row).to_contain_text("The conversion was interrupted three times. Try again.")
    row.get_by_role("button", name="Try again").click()
    visit.expect_state(NAME, "queued")
    Conversion(stack_services, visit.job_id(NAME)).finish(b"ID3", 3.0)
    visit.expect_state(NAME, "ready")


def test_a_video_without_sound_fails_with_advice_and_without_a_vain_offer(visit: Visit, silent_video: Path) -> None:
    visit.upload(silent_video)
    row = visit.expect_state("Silent.mp4", "failed")
    expect(row).to_contain_text("Check that this is the right file.")
    expect(row.get_by_role("button", name="Try again")).to_have_count(0)
