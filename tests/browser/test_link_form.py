"""The form that lets the server fetch a video from a link."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.visits import Visit
from tests.imports.sources import Source
from tests.outbound.servers import RawServer


def test_a_link_is_converted_and_one_that_is_refused_says_why(visit: Visit, video: Path) -> None:
    page = visit.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name="Convert from a link").click()
    link = page.get_by_label("Link to a video")
    expect(link).to_be_focused()
    link.fill("ftp://example.org/talk.mp4")
    link.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="must begin with http:// or https://")).to_be_visible()
    with RawServer(Source(video.read_bytes())).running() as server:
        link.fill(f"{server.url}/My%20talk.mp4?token=secret")
        link.press("Enter")
        expect(visit.rows).to_contain_text(["My talk.mp4"])
        expect(visit.rows).to_contain_text(["Ready"])
    expect(link).to_have_value("")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
