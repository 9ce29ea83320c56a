"""The player of a row plays the file in the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Response, expect

from devservers.waiting import wait_for
from tests.browser.visits import Visit
from tests.factories.clips import ffmpeg

SECONDS = 60


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of a minute."""
    file = tmp_path_factory.mktemp("talk") / "Talk.mp4"
    return ffmpeg(file, "-f", "lavfi", "-i", f"sine=220:duration={SECONDS}", "-b:a", "32k")


@pytest.fixture
def row(visit: Visit, talk: Path) -> Locator:
    """Return the row of a recording that is ready."""
    visit.upload(talk)
    return visit.expect_state("Talk.mp4", "ready")


def play(row: Locator) -> None:
    """Start the player of a row, and wait until it plays."""
    row.get_by_role("button", name="Play").click()
    wait_for(lambda: position(row) > 0, "it plays")


def position(row: Locator) -> float:
    return float(row.locator("audio").evaluate("audio => audio.currentTime"))


def test_keys_move_the_position(row: Locator) -> None:
    play(row)
    slider = row.get_by_role("slider")
    slider.focus()
    slider.press("PageUp")
    wait_for(lambda: 30 < position(row) < SECONDS, "half a minute later")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^3\d seconds of 1 minute$"))
    slider.press("Home")
    wait_for(lambda: position(row) < 30, "the beginning")
    row.get_by_role("button", name="Pause").click()
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^[5-9]|1\d seconds of 1 minute$"))


def test_a_click_on_the_track_moves_the_position_even_before_the_file_is_loaded(row: Locator) -> None:
    slider = row.get_by_role("slider")
    box = slider.bounding_box()
    assert box
    slider.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    expect(row.locator(".time")).to_have_text(re.compile(r"^0:(29|30)"))
    play(row)
    assert position(row) >= SECONDS / 2 - 1


def test_only_the_range_that_is_played_is_loaded_from_the_host_of_the_page(visit: Visit, row: Locator) -> None:
    loaded: list[Response] = []

    def note(response: Response) -> None:
        loaded.append(response)

    visit.page.on("response", note)
    play(row)
    files = [response for response in loaded if "/download" in response.url]
    assert {response.status for response in files} == {206}
    assert visit.page.evaluate("url => new URL(url).host === location.host", files[0].url)


def test_changes_of_the_list_leave_the_player_and_the_focus_alone(visit: Visit, row: Locator, video: Path) -> None:
    play(row)
    pause = row.get_by_role("button", name="Pause")
    pause.focus()
    other = visit.another_tab()
    other.expect_state("Talk.mp4", "ready")  # so that this tab has found its session
    other.upload(video)
    visit.expect_state(video.name, "ready")
    expect(pause).to_be_focused()
    before = position(row)
    wait_for(lambda: position(row) > before, "it goes on playing")


def test_one_file_plays_at_a_time(visit: Visit, row: Locator, video: Path) -> None:
    visit.upload(video)
    other = visit.expect_state(video.name, "ready")
    play(row)
    play(other)
    expect(row.get_by_role("button", name="Play")).to_be_visible()


def test_a_link_that_has_stopped_working_is_replaced(row: Locator) -> None:
    play(row)
    audio = row.locator("audio")
    audio.evaluate("a => { a.src = a.src.replace(/token=.*/, 'token=expired'); a.play().catch(() => {}) }")
    wait_for(lambda: audio.evaluate("audio => !audio.paused && audio.currentTime > 0"), "it plays again")
    assert not audio.evaluate("audio => audio.src.endsWith('token=expired')")


def test_a_deleted_file_stops_playing(visit: Visit, row: Locator) -> None:
    play(row)
    playing = row.locator("audio").element_handle()
    other = visit.another_tab()
    other.row("Talk.mp4").get_by_role("button", name="Delete").click()
    other.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert playing.evaluate("audio => audio.paused")


def test_a_file_that_the_browser_cannot_play_is_described_and_offered_for_download(visit: Visit, video: Path) -> None:
    visit.open("/web/")
    visit.page.evaluate("HTMLMediaElement.prototype.canPlayType = () => ''")
    visit.page.get_by_text("Options", exact=True).click()
    visit.page.get_by_label("Format", exact=True).select_option("original")
    visit.page.get_by_text("Options", exact=True).click()
    visit.upload(video)
    row = visit.expect_state("Holiday.mp4", "ready")
    expect(row).to_contain_text("This browser cannot play M4A (AAC). Download the file to listen.")
    expect(row).to_contain_text(
        re.compile(r"M4A \(AAC\), .* · 0:03 · \d+\u00a0kbit/s · 44\.1\u00a0kHz · mono · copied · ")
    )
    expect(row.get_by_role("button", name="Play")).to_have_count(0)
    with visit.page.expect_download() as download:
        row.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "Holiday.m4a"
