"""The form that lets the server fetch a video from a link."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.visits import Visit
from tests.imports.sources import Source
from tests.outbound.servers import RawServer


def test_a_link_is_converted_and_one_that_is_refused_says_why(visit: Visit, video: Path) -> None:
    page = visit.page
    page.set_viewport_size({"width": 360, "height": 740})
    opener = page.get_by_role("button", name="Convert from a link")
    opener.click()
    link = page.get_by_label("Link to a video")
    expect(link).to_be_focused()
    link.fill("ftp://example.org/talk.mp4")
    link.press("Enter")
    expect(link).to_have_accessible_description("The URL must begin with http:// or https://.")
    expect(page.get_by_role("alert").filter(has_text="must begin with http:// or https://")).to_be_visible()
    link.fill("http://10.0.0.1/talk.mp4")
    link.press("Enter")
    expect(link).to_have_accessible_description(re.compile("not on the public internet. Use a public address"))
    with RawServer(Source(video.read_bytes())).running() as server:
        link.fill(f"{server.url}/My%20talk.mp4?token=secret")
        link.press("Enter")
        expect(visit.rows).to_contain_text(["My talk.mp4"])
        expect(visit.rows).to_contain_text(["Ready"])
        expect(visit.rows).to_contain_text(["imported today"])
    expect(link).to_have_value("")
    expect(opener).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    opener.click()
    expect(link).to_have_count(0)
    expect(opener).to_have_attribute("aria-expanded", "false")


def test_a_link_to_a_web_page_is_answered_with_what_to_do_and_nothing_else(visit: Visit) -> None:
    visit.button("Convert from a link").click()
    page = Source(b"<!doctype html><title>Talks</title>", headers=["Content-Type: text/html"])
    with RawServer(page).running() as server:
        visit.page.get_by_label("Link to a video").fill(f"{server.url}/talks")
        visit.button("Convert link").click()
        row = visit.expect_state("talks", "failed")
    expect(row.get_by_text("The URL leads to a web page.")).to_have_text(
        "The URL leads to a web page. Import the address of the video file itself."
    )
