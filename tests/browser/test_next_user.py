"""What a user has typed is not shown to the next user of the browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.visits import Visit


def test_tags_and_addresses_are_gone_after_the_user_has_signed_out(visit: Visit, account: str) -> None:
    page = visit.page
    page.get_by_text("Options", exact=True).click()
    page.get_by_text("Title and other tags", exact=True).click()
    artist = page.get_by_label("Artist", exact=True)
    artist.fill("Ada")
    page.get_by_role("link", name="Webhooks").click()
    address = page.get_by_label("Address", exact=True)
    address.fill("https://hooks.example.org/?token=secret")
    visit.button("Sign out").click()
    visit.sign_in(account)
    page.get_by_role("link", name="Webhooks").click()
    expect(address).to_have_value("")
    page.get_by_role("link", name="Files").click()
    expect(artist).to_have_value("")
