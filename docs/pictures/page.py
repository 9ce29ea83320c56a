"""Take the pictures of the page, in light, in dark and on a phone: `python docs/pictures/page.py`.

Everything in them is real: a `soundlift up` on a free port converts generated videos while Chromium shows the page.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect

from devservers.chromium import running_chromium
from soundlift.cli.embedded_stack import running_stack
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from soundlift.common.settings import Settings

FOLDER = Path(__file__).parent
EMAIL, PASSWORD = "ada@example.org", "a password for pictures"
WINDOW, PHONE = {"width": 920, "height": 1180}, {"width": 390, "height": 844}
TIMEOUT_MILLISECONDS = 600_000
SLOW_BYTES_PER_SECOND = 400_000
NOISE = "anoisesrc=color=pink:amplitude=0.7:sample_rate=44100"
LOUDNESS = "0.05+0.95*abs(sin(0.017*t+0.4)*sin(0.043*t+1))*(0.5+0.5*sin(0.61*t))"  # changes as in speech and music


def main() -> None:
    """Take the pictures."""
    with TemporaryDirectory() as name, running_stack(Path(name)) as url, running_chromium() as browser:
        folder = Path(name)
        services = Services(Settings.from_environment({"SOUNDLIFT_DATA": name}))
        services.users.add(EMAIL, services.passwords.hash(PASSWORD))
        page = browser.new_page(base_url=url, viewport=WINDOW, device_scale_factor=2, locale="en-GB")
        page.set_default_timeout(TIMEOUT_MILLISECONDS)
        expect.set_options(timeout=TIMEOUT_MILLISECONDS)
        page.goto("/web/")
        _sign_in(page)
        _show_every_state(page, folder)
        _take_pictures(page)
        services.database.engine.dispose()


def _sign_in(page: Page) -> None:
    page.get_by_label("Email address").filter(visible=True).fill(EMAIL)
    page.get_by_label("Password").filter(visible=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def _show_every_state(page: Page, folder: Path) -> None:
    """Let one file be ready, one play, one be converted and one be uploaded."""
    short = _make_video(folder / "Sunday concert, second encore.mp4", seconds=247)
    talk = _make_video(folder / "Lecture 4, Fourier series.mp4", seconds=754)
    long = _repeat(talk, folder / "Board meeting, all eight hours.mp4", times=40)
    for video in (short, talk):
        page.get_by_label("Choose videos").set_input_files(video)
        expect(page.locator("li.job[data-state=ready]", has_text=video.stem)).to_be_visible()
    _play(page, talk)
    page.get_by_label("Choose videos").set_input_files(long)
    expect(page.locator("li.job", has_text=long.stem).get_by_text(re.compile(r"Converting, [2-9]\d"))).to_be_visible()
    _limit_upload(page)
    page.get_by_label("Choose videos").set_input_files(_repeat(short, folder / "Interview with Grace.mov", times=2))
    expect(page.get_by_text(" left")).to_be_visible()


def _play(page: Page, video: Path) -> None:
    page.get_by_role("button", name=f"Play {video.name}").click()
    slider = page.get_by_role("slider", name=f"Position in {video.name}")
    box = slider.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)


def _limit_upload(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_PER_SECOND}
    session.send("Network.emulateNetworkConditions", {"offline": False, **limits})


def _take_pictures(page: Page) -> None:
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.screenshot(path=FOLDER / f"page-{scheme}.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.screenshot(path=FOLDER / "page-phone.png")


def _make_video(file: Path, *, seconds: int) -> Path:
    sound = ["-f", "lavfi", "-i", f"{NOISE}:duration={seconds},volume='{LOUDNESS}':eval=frame"]
    picture = ["-f", "lavfi", "-i", f"color=size=64x64:rate=1:duration={seconds}"]
    return _run_ffmpeg(*sound, *picture, "-c:v", "mpeg4", "-c:a", "aac", file=file)


def _repeat(video: Path, file: Path, *, times: int) -> Path:
    return _run_ffmpeg("-stream_loop", str(times - 1), "-i", str(video), "-c", "copy", file=file)


def _run_ffmpeg(*arguments: str, file: Path) -> Path:
    subprocess.run([binary(), "-nostdin", "-v", "error", "-y", *arguments, str(file)], check=True)
    return file


if __name__ == "__main__":
    main()
