"""What uploads wait for, and how they go on by themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from devservers.forwarder import Forwarder
from devservers.local_stack import Stack
from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.browser.silence import silent_wav
from tests.browser.visits import Visit, Visits
from tests.browser.worker import Conversion, paused_connector

SLOW = 100_000  # bytes per second
UPLOAD = re.compile(r"/upload(\?|$)")


def refusal(status: int, code: str, detail: str, retry_after: int | None = None) -> Callable[[Route], None]:
    """Return an answer in place of the server's."""
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    body = json.dumps({"status": status, "title": "", "code": code, "detail": detail})
    return lambda route: route.fulfill(status=status, headers=headers, body=body)


def test_two_files_are_uploaded_at_a_time(visit: Visit, tmp_path: Path) -> None:
    files = [silent_wav(tmp_path, f"{number}.wav", 600) for number in range(4)]
    visit.limit_upload(SLOW)
    visit.upload(*files)
    expect(visit.uploads.filter(has_text=re.compile(" of 600"))).to_have_count(2)
    expect(visit.uploads.filter(has_text="Waiting for its turn")).to_have_count(2)
    visit.page.get_by_role("button", name="Cancel: 0.wav").click()
    expect(visit.uploads.filter(has_text="2.wav")).to_contain_text(" of 600")
    expect(visit.uploads.filter(has_text="3.wav")).to_contain_text("Waiting for its turn")
    visit.limit_upload(-1)
    for name in ("1.wav", "2.wav", "3.wav"):
        visit.expect_state(name, "ready")
    expect(visit.row("0.wav")).to_have_count(0)


def test_many_waiting_files_are_folded_and_can_be_cancelled_together(visit: Visit, tmp_path: Path) -> None:
    visit.limit_upload(SLOW)
    visit.upload(*[silent_wav(tmp_path, f"{number}.wav", 2000) for number in range(12)])
    expect(visit.uploads.filter(has_text="Waiting for its turn")).to_have_count(5)
    expect(visit.page.get_by_text("5 more files waiting")).to_be_visible()
    visit.button("Cancel all").click()
    expect(visit.uploads).to_have_count(0)
    expect(visit.page.get_by_text("more files waiting")).to_be_hidden()
    expect(visit.page.get_by_label("Choose videos")).to_be_focused()


@pytest.mark.parametrize(
    ("status", "code"), [(429, "busy"), (429, "too_many_jobs"), (429, "storage_full"), (503, "store_unavailable")]
)
def test_an_upload_goes_on_by_itself_after_a_pause(visit: Visit, video: Path, status: int, code: str) -> None:
    visit.page.route(UPLOAD, refusal(status, code, "Not now: DELETE /jobs/ID.", retry_after=4), times=1)
    visit.upload(video)
    expect(visit.uploads).to_contain_text(re.compile(r"Not now in the list below\. Next try in \d seconds?\."))
    visit.expect_state("Holiday.mp4", "ready")


@pytest.mark.parametrize(("status", "code"), [(429, "too_many_jobs"), (429, "too_many_uploads"), (503, "queue_full")])
def test_all_uploads_wait_for_a_free_place(visit: Visit, video: Path, status: int, code: str) -> None:
    visit.page.route(UPLOAD, refusal(status, code, "You may upload no more now.", retry_after=3000), times=1)
    visit.upload(video)
    expect(visit.uploads).to_contain_text("Next try in")
    visit.upload({"name": "second.mp4", "mimeType": "video/mp4", "buffer": video.read_bytes()})
    expect(visit.uploads.filter(has_text="second.mp4")).to_contain_text("Waiting for its turn")
    visit.page.get_by_role("button", name="Try now: Holiday.mp4").click()
    visit.expect_state("Holiday.mp4", "ready")
    visit.expect_state("second.mp4", "ready")


def test_uploads_that_wait_for_a_free_place_go_on_as_soon_as_a_job_ends(
    visit: Visit, video: Path, stack: Stack, stack_services: Services
) -> None:
    with paused_connector(stack):
        visit.upload(video)
        visit.expect_state("Holiday.mp4", "queued")
        visit.page.route(UPLOAD, refusal(429, "too_many_jobs", "You have too many jobs.", retry_after=60), times=1)
        visit.upload({"name": "second.mp4", "mimeType": "video/mp4", "buffer": video.read_bytes()})
        expect(visit.uploads).to_contain_text("Next try in")
        Conversion(stack_services, visit.job_id("Holiday.mp4")).finish(b"ID3", 3.0)
        visit.expect_state("second.mp4", "queued")


@pytest.mark.parametrize("code", ["storage_full", "daily_minutes_exceeded"])
def test_a_full_quota_says_what_to_do(visit: Visit, video: Path, code: str) -> None:
    detail = "Your files take up 9.9 GiB. Delete jobs that have ended: DELETE /jobs/ID."
    visit.page.route(UPLOAD, refusal(429, code, detail, retry_after=80_000), times=1)
    visit.upload(video)
    alert = visit.page.get_by_role("alert").filter(has_text="Delete jobs that have ended in the list below.")
    expect(alert).to_be_visible()
    visit.page.get_by_role("button", name="Try again: Holiday.mp4").click()
    visit.expect_state("Holiday.mp4", "ready")


def test_an_upload_that_waits_for_its_earlier_attempt_is_cancelled_on_the_server_too(visit: Visit, video: Path) -> None:
    visit.page.route(UPLOAD, refusal(409, "upload_in_progress", "It is in progress.", retry_after=30), times=1)
    visit.upload(video)
    expect(visit.uploads).to_contain_text("still ending the interrupted attempt")
    with visit.page.expect_request(lambda request: request.method == "DELETE" and bool(UPLOAD.search(request.url))):
        visit.page.get_by_role("button", name="Cancel: Holiday.mp4").click()


def test_a_refused_option_can_be_changed(visit: Visit, video: Path) -> None:
    refuse = refusal(400, "bad_option", "bitrate=320 must be at most 192 on this server.")
    visit.page.route(UPLOAD, refuse, times=1)
    visit.upload(video)
    expect(visit.page.get_by_role("alert").filter(has_text="bitrate=320 must be at most 192")).to_be_visible()
    visit.page.get_by_role("button", name="Change the options: Holiday.mp4").click()
    expect(visit.page.get_by_label("Quality")).to_be_visible()
    visit.button("Convert 1 file").click()
    visit.expect_state("Holiday.mp4", "ready")


def test_a_file_that_is_too_large_is_not_tried_again(visit: Visit, video: Path) -> None:
    visit.page.route(UPLOAD, refusal(413, "too_large", "A video may have at most 4294967296 bytes."))
    visit.upload(video)
    expect(visit.page.get_by_role("alert").filter(has_text="at most 4.3 GB. Choose a smaller file.")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Try again: Holiday.mp4")).to_have_count(0)


def test_a_file_that_has_changed_since_is_not_uploaded(visit: Visit, tmp_path: Path) -> None:
    file = silent_wav(tmp_path, "changing.wav", 100)
    visit.page.get_by_text("Options", exact=True).click()
    visit.upload(file)
    file.unlink()
    visit.button("Convert 1 file").click()
    expect(visit.uploads).to_contain_text("The file cannot be read any more")


def test_an_upload_whose_answer_was_lost_is_not_sent_twice(
    visits: Visits, stack: Stack, stack_services: Services, account: str, tmp_path: Path
) -> None:
    file = silent_wav(tmp_path, "lost.wav", 50)
    with Forwarder(int(stack.url.rpartition(":")[2])) as network:
        visit = visits(f"http://127.0.0.1:{network.port}/web/")
        visit.sign_in(account)
        network.hold_answers()
        visit.upload(file)
        wait_for(lambda: stack_services.jobs.page(account, after=None, limit=9), "the job exists")
        network.cut()
        expect(visit.uploads).to_contain_text("The connection to the server was lost.")
        network.restore()
        visit.expect_state("lost.wav", "ready")
        expect(visit.uploads).to_have_count(0)
        assert len(stack_services.jobs.page(account, after=None, limit=9)) == 1
