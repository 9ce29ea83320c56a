"""Uploads: what is refused, cancelled, interrupted, slow, and oddly named."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import FilePayload, Response, Route, expect

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.browser.visits import Visit, Visits

SLOW = 60_000  # bytes per second
HOSTILE = [
    "<img src=x onerror=alert(1)>.mp4",
    "a'b\"c`d ${1+1} {{7*7}} & %41 #;.mp4",
    "abc\u202e3pm.mp4",
    "שלום עולם العربية 日本語 🎬.mp4",
    "line\nbreak\ttab.mp4",
    " .mp4",
    f"{'long name ' * 18}end.mp4",
]


def wav(kilobytes: int, name: str = "Long.wav") -> FilePayload:
    """Return a silent WAV file, which is fast to make and to convert and as large as wanted."""
    samples = kilobytes * 1000
    header = b"RIFF" + (samples + 36).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
    header += (44_100).to_bytes(4, "little") + (88_200).to_bytes(4, "little") + b"\x02\0\x10\0data"
    return {"name": name, "mimeType": "audio/wav", "buffer": header + samples.to_bytes(4, "little") + bytes(samples)}


def shown_name(name: str) -> str:
    """Return a name as the server keeps it: without control characters, and without those that turn text."""
    return re.sub("[\n\t\u202a-\u202e]", "_", name)


def sent_options(answer: Response) -> dict[str, str]:
    assert answer.status == 202
    return dict(parse_qsl(urlsplit(answer.url).query))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("notes.txt", b"These are notes.", "Choose a video or audio file."), ("empty.mp4", b"", "This file is empty.")],
)
def test_a_refused_file_says_why_and_goes_when_dismissed(visit: Visit, name: str, content: bytes, reason: str) -> None:
    visit.upload({"name": name, "mimeType": "text/plain", "buffer": content})
    expect(visit.page.get_by_role("alert").filter(has_text=reason)).to_be_visible()
    expect(visit.uploads).to_contain_text(name)
    visit.page.get_by_role("button", name=f"Dismiss: {name}").click()
    expect(visit.uploads).to_have_count(0)
    expect(visit.rows).to_have_count(0)
    expect(visit.page.get_by_label("Choose videos")).to_be_focused()


def test_files_can_be_dropped_anywhere(visit: Visit, video: Path) -> None:
    files = visit.page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            for (const name of ["one.mp4", "two.mp4"]) {
                data.items.add(new File([new Uint8Array(bytes)], name, { type: "video/mp4" }));
            }
            return data;
        }""",
        list(video.read_bytes()),
    )
    for event in ("dragover", "drop"):
        visit.page.locator("footer, header").first.dispatch_event(event, {"dataTransfer": files})
    visit.expect_state("one.mp4", "ready")
    visit.expect_state("two.mp4", "ready")


def test_a_slow_upload_shows_its_speed_and_time_left_and_can_be_cancelled(visit: Visit) -> None:
    visit.limit_upload(SLOW)
    visit.upload(wav(900))
    upload = visit.uploads
    expect(upload).to_contain_text(re.compile(r"kB of 900.kB · \d.*/s · \d+ seconds? left"))
    progress = visit.page.get_by_role("progressbar", name="Upload of Long.wav")
    assert 0 < float(progress.evaluate("bar => bar.value")) < 100
    visit.page.get_by_role("button", name="Cancel: Long.wav").click()
    expect(visit.uploads).to_have_count(0)
    visit.limit_upload(-1)
    visit.page.reload()
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()


def test_a_cancelled_upload_that_has_arrived_already_leaves_no_job(
    visit: Visit, video: Path, account: str, stack_services: Services
) -> None:
    held = hold_answers(visit, video)
    visit.upload(video)
    wait_for(lambda: visit.page.evaluate("1") and held, "the server has made the job")
    assert len(stack_services.jobs.page(account)) == 1
    visit.button("Cancel: Holiday.mp4").click()
    expect(visit.uploads).to_have_count(0)
    held[0].abort()
    visit.page.reload()
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
    wait_for(lambda: not stack_services.jobs.page(account), "the job is deleted")


def test_an_upload_that_has_arrived_is_not_interrupted_by_a_reload(visit: Visit, video: Path) -> None:
    held = hold_answers(visit, video)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.upload(video)
    wait_for(lambda: visit.page.evaluate("1") and held, "the server has made the job")
    with visit.page.expect_response(lambda answer: answer.url.endswith("/upload") and answer.request.method == "GET"):
        visit.page.reload()
    visit.expect_state("Holiday.mp4", "ready")
    expect(visit.page.get_by_role("region", name="interrupted")).to_have_count(0)


def hold_answers(visit: Visit, video: Path) -> list[Route]:
    """Let each upload of a video reach the server, but no answer reach the page; return the requests."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST":
            assert route.fetch(post_data=video.read_bytes()).status == 202  # the protocol does not show a file's bytes
            held.append(route)
        else:
            route.fallback()

    visit.page.route("**/upload*", hold)
    return held


def test_a_reload_during_an_upload_says_what_happened_and_takes_the_file_again(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "Long.wav"
    file.write_bytes(wav(900)["buffer"])
    visit.limit_upload(SLOW)
    visit.upload(file)
    expect(visit.uploads).to_contain_text("kB of 900")
    questions: list[str] = []
    visit.page.on("dialog", lambda dialog: (questions.append(dialog.type), dialog.accept()))
    visit.page.reload()
    assert questions == ["beforeunload"]
    interrupted = visit.page.get_by_role("region", name="1 upload interrupted")
    expect(interrupted).to_contain_text("Long.wav")
    visit.limit_upload(-1)
    with visit.page.expect_file_chooser() as choosing:
        interrupted.get_by_role("button", name="Choose them again").click()
    choosing.value.set_files(file)
    visit.expect_state("Long.wav", "ready")
    expect(interrupted).to_have_count(0)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_shown_as_text(visits: Visits, account: str, video: Path, name: str) -> None:
    visit = visits()
    visit.sign_in(account)
    visit.upload({"name": name, "mimeType": "video/mp4", "buffer": video.read_bytes()})
    row = visit.rows
    expect(row).to_have_attribute("data-state", "ready")
    shown = row.get_by_role("heading")
    expect(shown).to_have_text(re.compile(re.escape(shown_name(name)[-60:].strip())))
    assert visit.page.locator("img:not(header img)").count() == 0
    box, window = shown.bounding_box(), visit.page.viewport_size
    assert box is not None
    assert window is not None
    assert box["x"] + box["width"] <= window["width"]
    with visit.page.expect_download() as downloading:
        row.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename.endswith(".mp3")


def test_options_are_used_and_remembered(visit: Visit, video: Path) -> None:
    visit.page.get_by_text("Options", exact=True).click()
    visit.page.get_by_label("Quality").select_option("bitrate=64")
    visit.page.get_by_label("Channels").select_option("1")
    visit.upload(video)
    expect(visit.page.get_by_role("list", name="Chosen files")).to_contain_text("Holiday.mp4")
    expect(visit.uploads).to_have_count(0)
    with visit.page.expect_response(re.compile("/upload")) as answering:
        visit.button("Convert 1 file").click()
    assert sent_options(answering.value) == {"bitrate": "64", "channels": "1"}
    visit.expect_state("Holiday.mp4", "ready")
    visit.page.reload()
    expect(visit.page.get_by_text("MP3 · 64 kbit/s · mono")).to_be_visible()


def test_two_handles_choose_a_part_by_keyboard(visit: Visit, video: Path) -> None:
    page = visit.page
    page.get_by_text("Options", exact=True).click()
    page.get_by_text("Trim", exact=True).click()
    visit.upload(video)
    page.get_by_role("slider", name="Start").press("ArrowRight")
    page.get_by_role("slider", name="Start").press("ArrowRight")
    page.get_by_role("slider", name="End").press("PageDown")
    with page.expect_response(re.compile("/upload")) as answering:
        visit.button("Convert 1 file").click()
    options = sent_options(answering.value)
    assert options["start"].endswith("00:00.200")
    assert options["end"].startswith("00:02.")
    expect(visit.expect_state("Holiday.mp4", "ready")).to_contain_text("0:01")
