"""Uploads that were interrupted with their page, and who learns of them."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.silence import silent_wav
from tests.browser.visits import Visit, Visits

SLOW = 50_000  # bytes per second
# Held by tests that close a tab: Chromium lifts a tab's limit before it cancels its requests, so the file may arrive.
UPLOADS = re.compile(r"/upload(\?|$)")


def begin_upload(visit: Visit, folder: Path) -> Path:
    """Begin an upload that takes long."""
    file = silent_wav(folder, "long.wav", 20_000)
    visit.limit_upload(SLOW)
    visit.upload(file)
    expect(visit.uploads).to_contain_text(" of 20.0 MB")
    return file


def test_another_tab_learns_of_an_upload_only_when_its_tab_has_ended(visit: Visit, tmp_path: Path) -> None:
    visit.hold_requests(UPLOADS)
    begin_upload(visit, tmp_path)
    other = visit.another_tab()
    expect(other.button("Sign out")).to_be_visible()
    interrupted = other.page.get_by_role("region", name="1 upload interrupted")
    expect(interrupted).to_have_count(0)
    visit.page.close()
    expect(interrupted).to_contain_text("long.wav")
    interrupted.get_by_role("button", name="Dismiss").click()
    expect(interrupted).to_have_count(0)


def test_a_file_that_is_chosen_again_keeps_its_options(visit: Visit, tmp_path: Path) -> None:
    visit.page.get_by_text("Options", exact=True).click()
    visit.page.get_by_label("Quality").select_option("bitrate=64")
    visit.page.get_by_text("Options", exact=True).click()
    file = begin_upload(visit, tmp_path)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.page.reload()
    interrupted = visit.page.get_by_role("region", name="1 upload interrupted")
    expect(interrupted).to_contain_text("long.wav")
    visit.page.get_by_text("Options", exact=True).click()
    visit.page.get_by_label("Quality").select_option("bitrate=32")
    visit.limit_upload(-1)
    uploaded = visit.page.evaluate_handle(
        """() => ({ job: new Promise(resolve => {
            document.addEventListener("job-uploaded", ({ detail }) => resolve(detail), { once: true });
        }) })"""
    )
    visit.upload(file)
    assert uploaded.evaluate("({ job }) => job")["options"]["bitrate"] == 64
    expect(interrupted).to_have_count(0)


def test_signing_out_ends_the_uploads_and_the_next_user_does_not_see_them(
    visit: Visit, visits: Visits, admin: str, tmp_path: Path
) -> None:
    begin_upload(visit, tmp_path)
    visit.button("Sign out").click()
    expect(visit.button("Sign in")).to_be_visible()
    assert "long.wav" not in visit.page.evaluate("JSON.stringify(localStorage)")
    visit.sign_in(admin)
    expect(visit.uploads).to_have_count(0)
    expect(visit.page.get_by_role("region", name="interrupted")).to_have_count(0)


def test_what_one_user_uploaded_is_shown_to_nobody_else(visit: Visit, account: str, admin: str, tmp_path: Path) -> None:
    visit.hold_requests(UPLOADS)
    begin_upload(visit, tmp_path)
    visit.page.close()
    visit.context.clear_cookies()
    other = visit.another_tab()
    interrupted = other.page.get_by_role("region", name="interrupted")
    other.sign_in(admin)
    expect(interrupted).to_have_count(0)
    other.button("Sign out").click()
    other.sign_in(account)
    expect(interrupted).to_contain_text("long.wav")


def test_a_dropped_folder_is_answered(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "holiday videos").mkdir()
    data = {"items": [], "files": [str(tmp_path / "holiday videos")], "dragOperationsMask": 1}
    session = visit.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 500, "data": data})
    expect(visit.page.locator("html")).to_have_class("dropping")
    session.send("Input.dispatchDragEvent", {"type": "drop", "x": 300, "y": 500, "data": data})
    expect(visit.uploads).to_contain_text("This is a folder. Open it, and choose the files in it.")
    expect(visit.page.locator("html")).not_to_have_class("dropping")
