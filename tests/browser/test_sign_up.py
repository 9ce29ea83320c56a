"""Creating an account and choosing a new password, by links in emails."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from devservers.local_stack import Stack
from soundlift.common.auth.password_links import Purpose
from soundlift.common.services import Services
from tests.browser.states import caught_mail
from tests.browser.visits import Visit, Visits
from tests.factories.password_links import issued_token

CHOSEN = "a new password"


def mailed_link(stack: Stack, email: str) -> str:
    """Return the path of the link in the latest email to an address, which cleanup has sent."""
    stack.cleanup()
    plain = caught_mail(stack, f"To: {email}").get_body(("plain",))
    assert plain is not None
    found = re.search(r"^http://[^/]+(/web/#\S+)$", plain.get_content().replace("\r\n", "\n"), re.MULTILINE)
    assert found is not None
    return found[1]


def request_link(visit: Visit, name: str, email: str) -> None:
    """Press a button of the sign-in form, and have a link sent, with the keyboard only."""
    visit.button(name).press("Enter")
    expect(visit.email).to_be_focused()
    visit.email.fill(email)
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", name="Check your email")).to_be_visible()
    expect(visit.button("Back to sign in")).to_be_focused()
    expect(visit.page.get_by_role("status").filter(has_text=email)).to_have_count(1)


def test_an_account_is_created_with_a_link_whose_token_does_not_stay_in_the_address(
    visits: Visits, stack: Stack, account: str
) -> None:
    visit, email = visits(), f"new-{account}"
    request_link(visit, "Create an account", email)
    visit.page.goto("about:blank")
    visit.open(mailed_link(stack, email))
    expect(visit.page.get_by_role("heading", name="Create your account")).to_be_visible()
    expect(visit.password).to_be_focused()
    expect(visit.email).to_have_value(email)
    assert "#" not in visit.page.url
    visit.password.fill("short")
    visit.page.keyboard.press("Enter")
    expect(visit.password).to_have_accessible_description("Choose at least 8 characters.")
    visit.password.fill(CHOSEN)
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#who")).to_have_text(email)
    visit.page.reload()
    expect(visit.page.locator("#who")).to_have_text(email)


def test_a_forgotten_password_is_replaced_and_other_devices_are_signed_out(
    visits: Visits, visit: Visit, stack: Stack, account: str
) -> None:
    other = visits()
    request_link(other, "Forgot password?", account)
    path = mailed_link(stack, account)
    other.page.evaluate("path => { location.hash = path.split('#')[1] }", path)  # a link that opens in the same tab
    other.password.fill(CHOSEN)
    other.button("Save password").click()
    expect(other.page.locator("#who")).to_have_text(account)
    visit.page.reload()
    visit.sign_in(account, CHOSEN)
    visit.page.goto("about:blank")
    visit.open(path)
    expect(visit.page.get_by_role("heading", name="This link no longer works")).to_be_visible()
    visit.button("Sign in").click()
    expect(visit.page.locator("#who")).to_have_text(account)


def test_a_link_that_is_replaced_meanwhile_leads_to_a_new_request(
    visits: Visits, stack_services: Services, account: str
) -> None:
    token = issued_token(stack_services, account, Purpose.RESET)
    visit = visits(f"/web/#reset={token.text}")
    visit.password.fill(CHOSEN)
    stack_services.password_links.request(account, Purpose.RESET)
    visit.button("Save password").click()
    visit.button("Ask for a new link").click()
    expect(visit.page.get_by_role("heading", name="Forgot your password?")).to_be_visible()
    expect(visit.email).to_be_focused()
    visit.button("Back to sign in").click()
    expect(visit.button("Sign in")).to_be_visible()


@pytest.mark.parametrize(("sign_up", "password_reset"), [(False, False), (True, False), (False, True)])
def test_only_what_the_server_offers_is_shown(visits: Visits, sign_up: bool, password_reset: bool) -> None:
    visit, offers = visits("about:blank"), {"sign_up": sign_up, "password_reset": password_reset}
    visit.page.route("**/login/offers", lambda route: route.fulfill(json=offers))
    visit.open()
    expect(visit.button("Create an account")).to_have_count(int(sign_up))
    expect(visit.button("Forgot password?")).to_have_count(int(password_reset))
    expect(visit.page.get_by_text("No account yet?").filter(visible=True)).to_have_count(int(not sign_up))


def test_a_server_that_does_not_answer_can_be_asked_about_a_link_again(
    visits: Visits, stack_services: Services, account: str
) -> None:
    visit = visits("about:blank")
    visit.page.route("**/login/link", lambda route: route.fulfill(status=503, body=""))
    visit.open(f"/web/#reset={issued_token(stack_services, account, Purpose.RESET).text}")
    expect(visit.page.get_by_role("heading", name="That did not work")).to_be_visible()
    visit.page.unroute("**/login/link")
    visit.button("Try again").click()
    expect(visit.email).to_have_value(account)
