"""Links: to a file, to a file that is gone, and to the page at a job."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from devservers.chromium import INSECURE_HOST
from devservers.local_stack import Stack
from soundlift.common.services import Services
from tests.browser.visits import Visit, Visits
from tests.factories.jobs import job_now

NAME = "Holiday.mp4"


@pytest.fixture
def ready(visit: Visit, video: Path) -> Visit:
    visit.upload(video)
    visit.expect_state(NAME, "ready")
    return visit


def copied_link(visit: Visit) -> str:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.row(NAME).get_by_role("button", name="Copy link").click()
    expect(visit.row(NAME)).to_contain_text("Link copied. It works without a sign-in until")
    return str(visit.page.evaluate("navigator.clipboard.readText()"))


def test_a_copied_link_downloads_the_file_in_another_browser(ready: Visit, visits: Visits, tmp_path: Path) -> None:
    link = copied_link(ready)
    other = visits()
    with other.page.expect_download() as downloading:
        other.page.evaluate("link => { location.href = link; }", link)
    assert downloading.value.suggested_filename == "Holiday.mp3"
    downloading.value.save_as(tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").stat().st_size > 10_000


def test_without_tls_the_page_works_and_shows_the_link_to_copy_by_hand(
    visits: Visits, account: str, video: Path, stack: Stack
) -> None:
    port = urlsplit(stack.url).port
    visit = visits(f"http://{INSECURE_HOST}:{port}/")
    assert visit.page.evaluate("isSecureContext") is False
    visit.sign_in(account)
    visit.upload(video)
    visit.expect_state(NAME, "ready")
    visit.row(NAME).get_by_role("button", name="Copy link").click()
    field = visit.row(NAME).get_by_role("textbox", name=f"Link to {NAME}")
    expect(field).to_be_focused()
    expect(field).to_have_value(re.compile(r"/download\?fid=[0-9a-f]{24}&token="))
    # The browser says that it ignores this header without TLS.
    assert all("Cross-Origin-Opener-Policy header has been ignored" in error for error in visits.errors)
    visits.errors.clear()


def test_an_expired_link_is_a_page_that_leads_to_a_fresh_one(
    ready: Visit, visits: Visits, stack_services: Services
) -> None:
    job_id = ready.job_id(NAME)
    fid = job_now(stack_services, job_id).mp3_fid
    assert fid is not None
    settings = replace(stack_services.settings, link_seconds=-60)
    token = Services(settings).tokens.download_link(fid)
    page = ready.page
    answer = page.goto(f"/download?fid={fid}&token={token}")
    assert answer is not None
    assert answer.status in (401, 410)
    assert (
        "script-src" in answer.headers["content-security-policy"]
        or "default-src 'none'" in answer.headers["content-security-policy"]
    )
    page.get_by_role("link").first.click()
    expect(ready.row(NAME)).to_be_visible()
    expect(ready.row(NAME)).to_be_focused()
    assert page.url.endswith(f"#job={job_id}")


def test_the_link_of_a_deleted_file_is_a_readable_page(ready: Visit) -> None:
    link = copied_link(ready)
    ready.row(NAME).get_by_role("button", name="Delete").click()
    ready.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(ready.rows).to_have_count(0)
    answer = ready.page.goto(link)
    assert answer is not None
    assert answer.status in (404, 410)
    expect(ready.page.get_by_role("heading")).to_be_visible()
    expect(ready.page.get_by_role("link").first).to_be_visible()


def test_the_page_opened_at_a_job_asks_for_a_sign_in_and_shows_it(
    ready: Visit, visits: Visits, account: str, stack: Stack
) -> None:
    job_id = ready.job_id(NAME)
    other = visits(f"/web/#job={job_id}")
    other.sign_in(account)
    expect(other.row(NAME)).to_be_focused()


def test_the_page_opened_at_a_foreign_job_says_so(ready: Visit, visits: Visits, admin: str) -> None:
    other = visits("/web/#job=5f0c0e0a0b0c0d0e0f0a0b0c")
    other.sign_in(admin)
    expect(
        other.page.get_by_role("alert").filter(has_text="This link names a file that you do not have.")
    ).to_be_visible()


def test_several_files_are_downloaded_as_one_archive(visit: Visit, video: Path, tmp_path: Path) -> None:
    names = ["One.mp4", "Two.mp4", "Same.mp4", "Same.mp4"]
    visit.upload(*({"name": name, "mimeType": "video/mp4", "buffer": video.read_bytes()} for name in names))
    expect(visit.page.locator("li.job[data-state=ready]")).to_have_count(len(names))
    visit.button("Select").click()
    visit.button("Select all").click()
    with visit.page.expect_download() as downloading:
        visit.button("Download ZIP").click()
    downloading.value.save_as(tmp_path / "files.zip")
    with zipfile.ZipFile(tmp_path / "files.zip") as archive:
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == len(names)
        assert {"One.mp3", "Two.mp3", "Same.mp3"} <= set(archive.namelist())
