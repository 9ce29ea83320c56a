"""The view of webhooks, which is loaded when somebody opens it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from devservers.webhook_receiver import Answer, WebhookReceiver
from tests.browser.visits import Visits


def test_a_user_adds_a_webhook_tests_it_and_sees_its_deliveries(
    visits: Visits, account: str, receiver: WebhookReceiver
) -> None:
    visit = visits()
    visit.sign_in(account)
    page = visit.page
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_text("You have no webhooks.")).to_be_visible()
    expect(page).to_have_title("Webhooks · Soundlift")
    address = page.get_by_label("Address", exact=True)
    address.fill("ftp://example.org")
    visit.button("Add a webhook").click()
    expect(address).to_have_attribute("aria-invalid", "true")
    address.fill(receiver.url)
    visit.button("Add a webhook").click()
    secret = page.get_by_label("The secret")
    expect(secret).to_have_value(re.compile("whsec_.{44}"))
    first = secret.input_value()

    row = page.get_by_role("list", name="Webhooks").locator("> li")
    expect(row).to_contain_text(receiver.url)
    row.get_by_role("button", name="Test").click()
    deliveries = row.get_by_role("list").get_by_role("listitem")
    expect(deliveries).to_contain_text("webhook.test, delivered, 1 attempt")
    receiver.answers = [Answer(500)]
    deliveries.get_by_role("button", name="Send again").click()
    expect(deliveries).to_contain_text("failed, 1 attempt")
    expect(deliveries).to_contain_text("The endpoint answered with the status 500.")
    assert [message.verified(first)["type"] for message in receiver.messages] == 2 * ["webhook.test"]

    row.get_by_role("button", name="New secret").click()
    visit.button("Make it").click()
    expect(secret).not_to_have_value(first)
    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("Disabled")
    row.get_by_role("button", name="Enable").click()
    expect(row.get_by_role("button", name="Test")).to_be_visible()
    page.get_by_role("link", name="Files").click()
    page.get_by_role("link", name="Webhooks").click()
    expect(secret).to_have_count(0)
    row.get_by_role("button", name="Remove").click()
    visit.button("Remove").click()
    expect(page.get_by_text("You have no webhooks.")).to_be_visible()
    expect(address).to_be_focused()
