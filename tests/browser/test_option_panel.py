"""The panel of options, and the trim of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, expect

from tests.browser.visits import Visit

LONG = "ж" * 1000  # six bytes each in a URL: too long for one


@pytest.fixture
def panel(visit: Visit) -> Locator:
    """Return the panel, opened."""
    visit.page.get_by_text("Options", exact=True).click()
    return visit.page.locator("sl-options")


def open_section(panel: Locator, name: str) -> None:
    panel.get_by_text(name, exact=True).click()


def options_of_next_job(visit: Visit, upload: Callable[[], None]) -> Any:
    """Run an action that uploads a file, and return the options of its job."""
    expected = visit.page.evaluate_handle(
        """() => ({ job: new Promise(resolve => {
            document.addEventListener("job-uploaded", ({ detail }) => resolve(detail), { once: true });
        }) })"""
    )
    upload()
    job = expected.evaluate("({ job }) => job")
    return job["options"]


def convert(visit: Visit) -> Any:
    """Convert the chosen file, and return the options of its job."""
    return options_of_next_job(visit, visit.page.get_by_role("button", name="Convert 1 file").click)


def test_chosen_files_wait_while_the_options_are_open(visit: Visit, panel: Locator, video: Path) -> None:
    visit.upload(video)
    other = FilePayload(name="other.mp4", mimeType="video/mp4", buffer=video.read_bytes())
    visit.page.get_by_label("Choose more").set_input_files(other)
    chosen = visit.page.get_by_role("list", name="Chosen files").get_by_role("listitem")
    expect(chosen).to_have_count(2)
    visit.page.get_by_role("button", name="Remove: other.mp4").click()
    expect(chosen).to_have_count(1)
    convert(visit)
    visit.expect_state("Holiday.mp4", "ready")
    expect(visit.page.locator("li.job")).to_have_count(1)
    expect(panel.get_by_label("Quality")).to_be_hidden()


def test_an_invalid_value_is_named_and_nothing_is_uploaded(visit: Visit, panel: Locator, video: Path) -> None:
    visit.upload(video)
    open_section(panel, "Title and other tags")
    panel.get_by_label("Date").fill("soon")
    visit.page.get_by_role("button", name="Convert 1 file").click()
    expect(panel.get_by_label("Date")).to_be_focused()
    expect(panel.get_by_label("Date")).to_have_accessible_description(re.compile("Date must be a year"))
    expect(visit.page.get_by_role("list", name="Chosen files")).to_contain_text("Holiday.mp4")
    panel.get_by_label("Date").fill("2026-12")
    assert convert(visit)["tag.date"] == "2026-12"


def test_an_invalid_value_opens_the_closed_panel(visit: Visit, panel: Locator, video: Path) -> None:
    panel.get_by_label("Audio track").fill("0")
    visit.page.get_by_text("Options", exact=True).click()
    visit.upload(video)
    expect(panel.get_by_label("Audio track")).to_be_focused()
    expect(visit.page.get_by_role("list", name="Chosen files")).to_contain_text("Holiday.mp4")


def test_tags_too_long_for_an_address_arrive(visit: Visit, panel: Locator, video: Path) -> None:
    visit.upload(video)
    open_section(panel, "Title and other tags")
    for tag in ("Title", "Artist", "Comment"):
        panel.get_by_label(tag, exact=True).fill(LONG)
    options = convert(visit)
    assert [options[f"tag.{tag}"] for tag in ("title", "artist", "comment")] == [LONG] * 3


def test_what_belongs_to_one_file_is_not_used_for_the_next(visit: Visit, panel: Locator, video: Path) -> None:
    visit.upload(video)
    open_section(panel, "Title and other tags")
    open_section(panel, "Trim")
    panel.get_by_label("Title", exact=True).fill("Only this one")
    panel.get_by_label("Album", exact=True).fill("All of them")
    panel.get_by_role("textbox", name="End").fill("0:02")
    options = convert(visit)
    assert (options["tag.title"], options["tag.album"], options["end"]) == ("Only this one", "All of them", 2)
    options = options_of_next_job(visit, lambda: visit.upload(video))
    assert (options.get("tag.title"), options["tag.album"], options["end"]) == (None, "All of them", None)


def test_only_the_choice_that_fits_other_files_is_remembered(visit: Visit, panel: Locator) -> None:
    open_section(panel, "Title and other tags")
    open_section(panel, "Trim")
    panel.get_by_label("Loudness", exact=True).select_option("other")
    panel.get_by_label("Loudness in LUFS").fill("-18.5")
    panel.get_by_label("Keep its cover picture").uncheck()
    panel.get_by_label("Album", exact=True).fill("Secret")
    panel.get_by_role("textbox", name="Start").fill("1")
    expect(panel).to_contain_text("-18.5 LUFS · no cover")
    panel.get_by_role("textbox", name="Start").press("Tab")
    visit.page.reload()
    expect(panel).to_contain_text("MP3 · -18.5 LUFS · no cover")
    expect(panel).not_to_contain_text("from 1")
    assert "Secret" not in visit.page.evaluate("JSON.stringify(localStorage)")
    visit.page.get_by_text("Options", exact=True).click()
    visit.page.get_by_role("button", name="Reset to defaults").click()
    expect(panel.get_by_label("Loudness", exact=True)).to_have_value("")
    expect(panel.get_by_label("Keep its cover picture")).to_be_checked()
    visit.page.reload()
    expect(panel.locator(".options-summary")).to_have_text("MP3")


def test_each_format_has_its_own_options_and_is_remembered(visit: Visit, panel: Locator, video: Path) -> None:
    quality, rate = panel.get_by_label("Quality"), panel.get_by_label("Sample rate")
    choose, loudness = (
        panel.get_by_label("Format", exact=True).select_option,
        panel.get_by_label("Loudness", exact=True),
    )
    quality.select_option("bitrate=64")
    rate.select_option("8000")
    choose("opus")
    expect(quality).to_have_value("bitrate=64")
    expect(rate).to_be_hidden()
    expect(panel).to_contain_text("Opus · 64 kbit/s")
    choose("flac")
    expect(quality).to_be_hidden()
    loudness.select_option("-16")
    panel.get_by_label("Audio in this format").select_option("always")
    expect(panel).to_contain_text("Audio in this format cannot be combined with a quality or a loudness")
    choose("original")
    for field in (quality, rate, loudness, panel.get_by_label("Audio in this format")):
        expect(field).to_be_hidden()
    visit.page.reload()
    expect(panel.locator(".options-summary")).to_have_text("Original track")
    options = options_of_next_job(visit, lambda: visit.upload(video))
    assert (options["format"], options["copy"], options["normalize"]) == ("original", "always", None)


@pytest.mark.parametrize(
    "remembered", ["no JSON", "null", "[]", json.dumps({"quality": "bitrate=1", "track": ["x"], "loudness": 7})]
)
def test_a_damaged_memory_is_ignored(visit: Visit, remembered: str) -> None:
    visit.page.evaluate("text => localStorage.setItem('soundlift options /', text)", remembered)
    visit.page.reload()
    expect(visit.page.locator(".options-summary")).to_have_text("MP3")


def test_handles_and_fields_of_the_trim_agree(visit: Visit, panel: Locator, video: Path) -> None:
    open_section(panel, "Trim")
    visit.upload(video)
    start, end = panel.get_by_role("slider", name="Start"), panel.get_by_role("slider", name="End")
    expect(panel.locator("sl-waveform path.inside")).to_have_attribute("d", re.compile("M"))
    panel.get_by_role("textbox", name="Start").fill("0:01.250")
    expect(start).to_have_attribute("aria-valuenow", "1.250")
    expect(start).to_have_attribute("aria-valuetext", "1.3 seconds")
    expect(end).to_have_attribute("aria-valuemin", "1.260")
    end.press("Home")
    expect(panel.get_by_role("textbox", name="End")).to_have_value("00:01.260")
    end.press("End")
    expect(panel.get_by_role("textbox", name="End")).to_have_value("")
    track, handle = panel.locator(".trim-track").bounding_box(), start.bounding_box()
    assert track is not None
    assert handle is not None
    mouse = visit.page.mouse
    mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    mouse.down()
    mouse.move(track["x"] + track["width"] / 2, track["y"])
    mouse.up()
    expect(panel.get_by_role("textbox", name="Start")).to_have_value(re.compile(r"00:01\.[45]\d\d"))
    visit.page.get_by_role("button", name="Play this part").click()
    expect(visit.page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(visit.page.get_by_role("button", name="Play this part")).to_be_visible()  # it stops at the end
    assert 1.4 < convert(visit)["start"] < 1.6


def test_a_file_that_the_browser_cannot_read_can_be_trimmed_by_typing(visit: Visit, panel: Locator) -> None:
    open_section(panel, "Trim")
    visit.upload({"name": "old.avi", "mimeType": "video/x-msvideo", "buffer": b"RIFF" + bytes(5000)})
    expect(panel).to_contain_text("This browser cannot read the length of this file. Type the times instead.")
    expect(panel.get_by_role("slider")).to_have_count(0)
    expect(panel.get_by_role("textbox", name="Start")).to_be_editable()
