"""Signing in and out, sessions that end, and several tabs."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.browser.visits import Visit, Visits
from tests.factories.attempts import age_attempts

COOKIE = "soundlift_refresh"
LATER = 24 * 3600  # seconds, after which every access token has expired


def unsigned_token(email: str) -> str:
    """Return a token that the page reads, and that no server accepts."""
    payload = json.dumps({"username": email, "admin": False}).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}."


def end_session(visit: Visit) -> None:
    """End the session behind the page's back, as a change of the password does, and let its access token expire."""
    answer = visit.context.request.post("/login/sign-out", data={}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 204
    visit.set_clock(LATER)


def test_a_wrong_password_is_said_and_keeps_the_address(visits: Visits, account: str) -> None:
    visit = visits()
    visit.email.fill(account)
    visit.password.fill("a wrong password")
    visit.button("Sign in").click()
    expect(
        visit.page.get_by_role("alert").filter(has_text="The email address or the password is wrong.")
    ).to_be_visible()
    expect(visit.email).to_have_value(account)
    expect(visit.password).to_be_focused()
    expect(visit.password).to_have_attribute("aria-invalid", "true")


def test_a_locked_account_is_said_with_the_time_until_the_next_attempt(
    visits: Visits, account: str, stack_services: Services
) -> None:
    for _ in range(stack_services.settings.sign_in_failures):
        stack_services.sign_in_limits.begin(account, None)
    age_attempts(stack_services, -3600)
    visit = visits()
    expect(visit.button("Forgot password?")).to_be_visible()
    visit.email.fill(account)
    visit.password.fill("a wrong password")
    visit.button("Sign in").click()
    alert = visit.page.get_by_role("alert").filter(has_text="Too many attempts to sign in have failed.")
    expect(alert).to_contain_text(re.compile(r"Try again in (1 hour|59 minutes)( 1 second| \d+ seconds)?\."))
    expect(alert).not_to_contain_text("operator")
    expect(visit.email).to_have_value(account)
    expect(visit.password).not_to_have_attribute("aria-invalid", "true")


def test_a_reload_keeps_the_session_and_no_script_can_read_its_token(visit: Visit, account: str) -> None:
    visit.page.reload()
    expect(visit.page.get_by_text(account)).to_be_visible()
    (cookie,) = [cookie for cookie in visit.context.cookies() if cookie["name"] == COOKIE]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    kept = visit.page.evaluate("[document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage)]")
    assert not [text for text in kept if "eyJ" in text or COOKIE in text]


def test_an_access_token_is_renewed_before_it_expires(visit: Visit, video: Path) -> None:
    with visit.page.expect_response("**/login/refresh") as refreshing:
        visit.set_clock(LATER)
        visit.upload(video)
    assert refreshing.value.status == 200
    visit.expect_state("Holiday.mp4", "ready")


def test_an_expired_session_asks_for_the_password_and_loses_nothing(visit: Visit, account: str, video: Path) -> None:
    page = visit.page
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    end_session(visit)
    visit.upload({"name": "Second.mp4", "mimeType": "video/mp4", "buffer": video.read_bytes()})
    dialog = page.get_by_role("dialog", name="Sign in again")
    expect(dialog).to_be_visible()
    expect(visit.email).to_have_value(account)
    expect(visit.password).to_be_focused()
    expect(visit.rows).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    visit.set_clock(0)
    visit.sign_in(account)
    expect(dialog).to_be_hidden()
    visit.expect_state("Second.mp4", "ready")
    expect(visit.rows).to_have_count(2)


def test_signing_out_in_one_tab_signs_out_the_other(visit: Visit, account: str, video: Path) -> None:
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    other = visit.another_tab()
    other.expect_state("Holiday.mp4", "ready")
    visit.button("Sign out").click()
    for tab in (visit, other):
        expect(tab.button("Sign in")).to_be_visible()
        expect(tab.rows).to_have_count(0)
        assert account not in tab.page.content()
    assert [cookie for cookie in visit.context.cookies() if cookie["name"] == COOKIE] == []
    visit.page.reload()
    expect(visit.button("Sign in")).to_be_visible()


def test_signing_in_in_one_tab_signs_in_the_other(visits: Visits, account: str) -> None:
    visit = visits()
    other = visit.another_tab()
    expect(other.button("Sign in")).to_be_visible()
    visit.sign_in(account)
    expect(other.page.get_by_text(account)).to_be_visible()


def test_another_account_sees_nothing_of_the_one_before(visit: Visit, visits: Visits, admin: str, video: Path) -> None:
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    visit.button("Sign out").click()
    visit.sign_in(admin)
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
    expect(visit.rows).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/web/", "/function/web/"])
def test_the_page_finds_the_api_wherever_it_is_served(visits: Visits, account: str, path: str) -> None:
    visit = visits(path)
    visit.sign_in(account)
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
    visit.page.reload()
    expect(visit.page.get_by_text(account)).to_be_visible()


def test_signing_out_during_a_renewal_of_the_token_ends_the_session(visit: Visit, video: Path) -> None:
    renewals = visit.hold_requests("**/login/refresh")
    visit.set_clock(LATER)
    visit.upload(video)
    wait_for(lambda: visit.page.evaluate("1") and renewals, "the renewal is under way")
    visit.button("Sign out").click()
    expect(visit.button("Sign in")).to_be_visible()
    with visit.page.expect_response("**/login/refresh"):
        renewals[0].fulfill(json={"access_token": unsigned_token("late@example.org"), "expires_in": 60})
    visit.page.unroute("**/login/refresh")
    expect(visit.button("Sign in")).to_be_visible()
    assert "late@example.org" not in visit.page.content()


def test_an_answer_to_the_user_before_is_not_shown_to_the_next_one(visit: Visit, admin: str, video: Path) -> None:
    visit.upload(video)
    row = visit.expect_state("Holiday.mp4", "ready")
    answers = visit.hold_requests("**/jobs/*/link")
    row.get_by_role("button", name="Copy link").click()
    wait_for(lambda: visit.page.evaluate("1") and answers, "the request is under way")
    visit.button("Sign out").click()
    visit.sign_in(admin)
    answers[0].fulfill(status=500, content_type="text/html", body="<h1>Oops</h1>")
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
    expect(visit.page.locator(".refusal")).to_have_count(0)


def test_another_user_who_signs_in_after_the_session_has_ended_uploads_nothing_of_the_one_before(
    visit: Visit, admin: str, video: Path
) -> None:
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    end_session(visit)
    visit.upload({"name": "Second.mp4", "mimeType": "video/mp4", "buffer": video.read_bytes()})
    expect(visit.page.get_by_role("dialog", name="Sign in again")).to_be_visible()
    visit.set_clock(0)
    visit.sign_in(admin)
    expect(visit.page.get_by_text(admin)).to_be_visible()
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
    expect(visit.uploads).to_have_count(0)
    expect(visit.rows).to_have_count(0)


def test_signing_out_in_another_tab_closes_an_open_question(visit: Visit, video: Path) -> None:
    visit.upload(video)
    row = visit.expect_state("Holiday.mp4", "ready")
    row.get_by_role("button", name="Delete").click()
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    other = visit.another_tab()
    other.expect_state("Holiday.mp4", "ready")
    other.button("Sign out").click()
    expect(visit.button("Sign in")).to_be_visible()
    expect(visit.page.get_by_role("dialog")).to_have_count(0)
