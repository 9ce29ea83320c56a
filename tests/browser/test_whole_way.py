"""From the sign-in to the file: by mouse, and by keyboard alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import FileChooser, Locator, Page, expect

from devservers.waiting import wait_for
from tests.browser.visits import Visits
from tests.factories.accounts import PASSWORD

NAME = "Holiday.mp4"
MAX_TABS = 60


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(MAX_TABS):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{target} cannot be reached with Tab.")


def assert_mp3(file: Path) -> None:
    content = file.read_bytes()
    assert content[:3] == b"ID3" or content[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xfa"), content[:16]
    assert len(content) > 10_000


def playing_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('audio').currentTime"))


def test_with_the_mouse(visits: Visits, account: str, video: Path, tmp_path: Path) -> None:
    visit = visits()
    page = visit.page
    visit.sign_in(account)
    expect(page.get_by_text(account)).to_be_visible()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    with page.expect_file_chooser() as choosing:
        page.get_by_label("Choose videos").click()
    choosing.value.set_files(video)
    row = visit.expect_state(NAME, "ready")
    expect(row).to_contain_text("MP3, ")
    expect(row).to_contain_text("0:03")
    expect(row).to_contain_text("kept until")

    row.get_by_role("button", name=f"Play {NAME}").click()
    expect(row.get_by_role("button", name=f"Pause {NAME}")).to_be_visible()
    wait_for(lambda: playing_time(page) > 0.2, "it plays")
    row.get_by_role("button", name=f"Pause {NAME}").click()
    slider = row.get_by_role("slider")
    box = slider.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.66, box["y"] + box["height"] / 2)
    assert 1.5 < playing_time(page) < 2.5

    with page.expect_download() as downloading:
        row.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename == "Holiday.mp3"
    downloading.value.save_as(tmp_path / "Holiday.mp3")
    assert_mp3(tmp_path / "Holiday.mp3")

    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    visit.button("Sign out").click()
    expect(visit.button("Sign in")).to_be_visible()


def test_with_the_keyboard_alone(visits: Visits, account: str, video: Path, tmp_path: Path) -> None:
    visit = visits()
    page = visit.page
    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # noqa: PLW0108 # Playwright marks it
    expect(visit.email).to_be_focused()
    page.keyboard.type(account)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(visit.button("Sign out")).to_be_visible()

    tab_to(page, page.get_by_label("Choose videos"))
    expect(page.get_by_label("Choose videos")).to_be_focused()
    page.keyboard.press("Space")
    wait_for(lambda: page.evaluate("true") and choosers, "the browser asks for files")
    choosers[0].set_files(video)
    row = visit.expect_state(NAME, "ready")

    tab_to(page, row.get_by_role("button", name=f"Play {NAME}"))
    page.keyboard.press("Space")
    wait_for(lambda: playing_time(page) > 0.2, "it plays")
    page.keyboard.press("Space")
    tab_to(page, row.get_by_role("slider"))
    expect(row.get_by_role("slider")).not_to_have_js_property("value", "0")  # it shows the position every 250 ms
    page.keyboard.press("Home")
    expect(row.get_by_role("slider")).to_have_js_property("value", "0")
    page.keyboard.press("PageUp")
    wait_for(lambda: playing_time(page) > 2.5, "it plays")

    tab_to(page, row.get_by_role("button", name="Download"))
    with page.expect_download() as downloading:
        page.keyboard.press("Enter")
    downloading.value.save_as(tmp_path / "a.mp3")
    assert_mp3(tmp_path / "a.mp3")

    tab_to(page, row.get_by_role("button", name="Delete"))
    page.keyboard.press("Enter")
    expect(visit.button("Keep")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(row.get_by_role("button", name="Delete")).to_be_focused()
    expect(row.get_by_role("button", name="Delete")).not_to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("dialog").get_by_role("button", name="Delete"))
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)
    expect(page.get_by_text("Nothing here yet.")).to_be_focused()

    tab_to(page, visit.button("Sign out"))
    page.keyboard.press("Enter")
    expect(visit.password).to_be_focused()
