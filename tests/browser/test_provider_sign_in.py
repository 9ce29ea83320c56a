"""Signing in with an identity provider, oidc-provider-mock."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from devservers.oidc_provider import OidcProvider
from tests.browser.test_sessions import end_session
from tests.browser.visits import Visits

BUTTON = "Sign in with Example"


def authorize(page: Page, name: str) -> None:
    """Sign in at the provider as one of its users."""
    page.get_by_placeholder("sub").fill(name)
    page.get_by_role("button", name="Authorize", exact=True).click()


def test_a_person_signs_in_with_a_code_and_pkce_and_comes_back_to_the_same_view(
    visits: Visits, provider: OidcProvider, account: str
) -> None:
    email = f"new-{account}"
    provider.add_user("new", email=email, email_verified=True)
    visit = visits("/web/#job=some-job")
    requests = []
    visit.page.on("request", lambda request: requests.append((request.url, request.post_data)))
    visit.button(BUTTON).press("Enter")
    authorize(visit.page, "new")
    expect(visit.page.locator("#who")).to_have_text(email)
    assert visit.page.url.endswith("/web/#job=some-job")
    assert visit.page.evaluate("sessionStorage.length") == 0
    visit.page.reload()
    expect(visit.page.locator("#who")).to_have_text(email)
    (asked,) = {url for url, _ in requests if urlsplit(url).path == "/oauth2/authorize"}
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
    (sent,) = [json.loads(body) for url, body in requests if url.endswith("/login/provider") and body]
    assert query["code_challenge_method"] == "S256"
    assert sent["verifier"] not in asked
    assert len({query["state"], query["nonce"], sent["verifier"]}) == 3
    # Only the provider and this server are asked for anything.
    assert {urlsplit(url).netloc for url, _ in requests} == {urlsplit(each).netloc for each in (visits.url, asked)}


def test_who_is_refused_sees_why_and_may_sign_in_with_a_password(
    visits: Visits, provider: OidcProvider, account: str
) -> None:
    visit = visits()
    visit.button(BUTTON).click()
    visit.page.get_by_role("button", name="Deny").click()
    expect(
        visit.page.get_by_role("alert").filter(has_text="The provider did not sign you in (access_denied).")
    ).to_be_visible()
    assert urlsplit(visit.page.url).query == ""
    provider.add_user("unverified", email=account)
    visit.button(BUTTON).click()
    authorize(visit.page, "unverified")
    expect(visit.page.get_by_role("alert").filter(has_text="has not verified your email address")).to_be_visible()
    visit.sign_in(account)


@pytest.mark.parametrize("query", ["code=c&state=s", "error=access_denied&state=s"])
def test_an_answer_that_was_not_asked_for_is_refused_and_not_sent(visits: Visits, query: str) -> None:
    """A link of another site must not sign a visitor in to the account of its author."""
    visit = visits("about:blank")
    posted = visit.hold_requests(re.compile(r"/login/provider$"))
    visit.open(f"/web/?{query}")
    expect(visit.page.get_by_role("alert").filter(has_text="This sign-in was not begun in this tab.")).to_be_visible()
    assert urlsplit(visit.page.url).query == ""
    assert posted == []


def test_an_expired_session_continues_after_a_sign_in_in_another_tab(
    visits: Visits, provider: OidcProvider, account: str, video: Path
) -> None:
    provider.add_user("again", email=account, email_verified=True)
    visit = visits()
    visit.sign_in(account)
    end_session(visit)
    visit.upload(video)
    dialog = visit.page.get_by_role("dialog", name="Sign in again")
    expect(dialog).to_be_visible()
    visit.set_clock(0)
    with visit.context.expect_page() as opened:
        dialog.get_by_role("button", name=BUTTON).click()
    authorize(opened.value, "again")
    expect(dialog).to_be_hidden()
    visit.expect_state("Holiday.mp4", "ready")
