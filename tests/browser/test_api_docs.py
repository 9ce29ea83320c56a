"""The page that describes the HTTP API is readable by everyone: in light and dark, on a phone, and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from devservers.local_stack import Stack
from tests.browser.test_states import DESKTOP, PHONE, TOO_WIDE

OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"


@pytest.fixture
def docs(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Return the page with all of its parts unfolded; the browser reports nothing, such as something blocked."""
    with browser.new_context(viewport=DESKTOP) as context:  # type: ignore[arg-type]
        page, messages = context.new_page(), []
        page.on("console", lambda message: messages.append(message.text))
        page.goto(f"{stack.url}/docs")
        page.evaluate(OPEN_ALL)
        yield page
        assert messages == []


def test_the_description_is_accessible_in_light_and_dark(docs: Page) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        docs.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        results = Axe().run(docs)
        assert results.violations_count == 0, results.generate_report()
        backgrounds.append(docs.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(backgrounds)) == 2


def test_the_description_fits_on_a_phone(docs: Page) -> None:
    docs.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert docs.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert docs.evaluate(TOO_WIDE) == []


def test_the_contents_lead_to_each_operation(docs: Page) -> None:
    docs.get_by_role("link", name="Upload a video").press("Enter")
    expect(docs).to_have_url(re.compile(r"/docs#upload$"))
    expect(docs.get_by_role("heading", name="Upload a video")).to_be_in_viewport()
