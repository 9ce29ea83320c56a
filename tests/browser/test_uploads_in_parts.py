"""Files larger than 32 MiB are sent in parts, and continue after a lost connection and a reload of the page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Request, expect

from devservers.forwarder import Forwarder
from devservers.local_stack import Stack
from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.browser.visits import Visit, Visits
from tests.factories.jobs import MP4

PART = 32 * 2**20
SIZE = 72_000_000
FAST = 40_000_000  # bytes per second
SLOW = 2_000_000


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Return a sparse file that looks like a video, but has nothing to convert."""
    with (tmp_path / "large.mp4").open("wb") as file:
        file.write(MP4)
        file.truncate(SIZE)
    return tmp_path / "large.mp4"


@pytest.fixture
def parts(visit: Visit) -> list[Request]:
    return record_parts(visit)


def record_parts(visit: Visit) -> list[Request]:
    """Return a list that receives each request for a part."""
    seen: list[Request] = []
    visit.page.on("request", lambda request: seen.append(request) if request.method == "PATCH" else None)
    return seen


def offsets(parts: list[Request]) -> list[int]:
    return [int(request.headers["upload-offset"]) for request in parts]


def begin(visit: Visit, parts: list[Request], file: Path) -> None:
    """Send the first part, and then go on slowly."""
    visit.limit_upload(FAST)
    visit.upload(file)
    wait_for(lambda: visit.page.evaluate("1") and len(parts) > 1, "the second part has begun")
    visit.limit_upload(SLOW)
    expect(visit.uploads).to_contain_text(" of 72.0 MB")


def test_a_large_file_is_sent_in_parts_and_its_progress_never_goes_back(
    visit: Visit, parts: list[Request], large: Path
) -> None:
    visit.page.evaluate(
        """() => {
            globalThis.shown = [];
            new MutationObserver(() => {
                const bar = document.querySelector(".uploads progress");
                if (bar && !bar.hidden) shown.push(bar.value);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    visit.limit_upload(FAST)
    visit.upload(large)
    visit.expect_state("large.mp4", "failed")
    assert offsets(parts) == [0, PART, 2 * PART]
    shown = visit.page.evaluate("shown")
    assert shown == sorted(shown)
    assert len([value for value in shown if 10 < value < 90]) > 2


def test_after_a_lost_connection_only_the_rest_is_sent(
    browser: Browser, stack: Stack, account: str, large: Path
) -> None:
    with Forwarder(urlsplit(stack.url).port or 0) as line, Visits(browser, f"http://127.0.0.1:{line.port}") as visits:
        visit = visits()
        visit.sign_in(account)
        parts = record_parts(visit)
        begin(visit, parts, large)
        line.cut()  # and refuse new ones: Chromium repeats a request on its own if its connection is closed
        expect(visit.uploads).to_contain_text("The connection to the server was lost.")
        line.restore()
        visit.limit_upload(-1)
        visit.expect_state("large.mp4", "failed")
        assert offsets(parts)[:2] == [0, PART]
        assert PART <= offsets(parts)[2] < 2 * PART
        assert line.received_bytes < SIZE + PART
        expect(visit.rows).to_have_count(1)


def test_a_file_that_is_chosen_again_after_a_reload_continues(visit: Visit, parts: list[Request], large: Path) -> None:
    begin(visit, parts, large)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.page.reload()
    interrupted = visit.page.get_by_role("region", name="1 upload interrupted")
    expect(interrupted).to_contain_text("large.mp4 33.6 MB of 72.0 MB sent")
    parts.clear()
    visit.upload(large)
    expect(visit.page.get_by_text("Upload of large.mp4 continues at ")).to_be_attached()
    visit.limit_upload(-1)
    visit.expect_state("large.mp4", "failed")
    assert min(offsets(parts)) >= PART
    expect(visit.rows).to_have_count(1)
    expect(interrupted).to_have_count(0)


def test_a_file_is_sent_in_one_request_if_the_server_keeps_too_many_unfinished_uploads(
    visit: Visit, parts: list[Request], large: Path, stack_services: Services, account: str
) -> None:
    for number in range(stack_services.settings.max_unfinished_uploads):
        begin_elsewhere(stack_services, account, f"{number}.mp4")
    visit.upload(large)
    visit.expect_state("large.mp4", "failed")
    assert parts == []


def begin_elsewhere(services: Services, account: str, name: str) -> None:
    """Begin a resumable upload as another device of the user would."""
    services.jobs.receive(
        username=account,
        file_name=name,
        content_type="video/mp4",
        traceparent=None,
        keep_seconds=3600,
        insert_more=services.resumable_uploads.inserted(username=account, length=1, metadata="", limit=0),
    )


def test_cancel_removes_what_the_server_has(
    visit: Visit, parts: list[Request], large: Path, stack_services: Services, account: str
) -> None:
    begin(visit, parts, large)
    assert stack_services.resumable_uploads.unfinished(account)
    visit.page.get_by_role("button", name="Cancel: large.mp4").click()
    wait_for(
        lambda: visit.page.evaluate("1") and not stack_services.resumable_uploads.unfinished(account),
        "the server has forgotten the upload",
    )
    expect(visit.uploads).to_have_count(0)
    expect(visit.rows).to_have_count(0)


def test_dismiss_removes_what_the_server_has(
    visit: Visit, parts: list[Request], large: Path, stack_services: Services, account: str
) -> None:
    begin(visit, parts, large)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.page.reload()
    visit.page.get_by_role("region", name="1 upload interrupted").get_by_role("button", name="Dismiss").click()
    wait_for(
        lambda: visit.page.evaluate("1") and not stack_services.resumable_uploads.unfinished(account),
        "the server has forgotten the upload",
    )
