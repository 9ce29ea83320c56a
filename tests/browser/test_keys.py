"""The view of API keys, which is loaded when somebody opens it."""

from __future__ import annotations

import re

import urllib3
from playwright.sync_api import expect

from tests.browser.visits import Visits


def test_a_user_makes_a_key_copies_it_once_and_revokes_it(visits: Visits, account: str) -> None:
    visit = visits(permissions=["clipboard-read", "clipboard-write"])
    visit.sign_in(account)
    page = visit.page
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_text("You have no API keys.")).to_be_visible()
    expect(page.get_by_label("Act for all users, as an admin")).to_be_hidden()
    visit.button("Make a key").click()
    expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Name", exact=True).fill("nightly <b>uploads</b>")
    visit.button("Make a key").click()
    expect(page.get_by_label("Name", exact=True)).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("group", name="It may")).to_have_accessible_description("Choose what the key may do.")
    expect(page.get_by_label("Upload videos")).to_be_focused()
    page.get_by_label("Upload videos").check()
    page.get_by_label("See your jobs").check()
    visit.button("Make a key").click()
    made = page.get_by_label("Your new key")
    expect(made).to_have_value(re.compile(r"slk_[0-9A-Za-z]{38}"))
    key = made.input_value()
    visit.button("Copy").click()
    expect(visit.button("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key

    headers = {"Authorization": f"Bearer {key}"}
    answer = urllib3.request("GET", f"{visits.url}/validate", headers=headers, retries=False)
    assert answer.json()["claims"]["scopes"] == ["upload", "jobs:read"]
    page.get_by_role("link", name="Files").click()
    page.get_by_role("link", name="API keys").click()
    row = page.get_by_role("list", name="API keys").get_by_role("listitem")
    expect(row).to_contain_text("nightly <b>uploads</b>")
    expect(row).to_contain_text(f"{key[:8]}…")
    expect(row).to_contain_text("upload, jobs:read")
    expect(row).to_contain_text(re.compile("Last used today .*, expires "))
    assert key not in page.content()
    expect(made).to_have_count(0)

    row.get_by_role("button", name="Revoke nightly").click()
    visit.button("Revoke").click()
    expect(row).to_contain_text("Revoked")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    assert urllib3.request("GET", f"{visits.url}/validate", headers=headers, retries=False).status == 401


def test_a_phone_shows_the_pages_and_the_keys_without_scrolling_sideways(visits: Visits, admin: str) -> None:
    visit = visits(viewport={"width": 360, "height": 740})
    visit.sign_in(admin)
    visit.page.goto("/web/#keys")
    expect(visit.page.get_by_label("Act for all users, as an admin")).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 360
