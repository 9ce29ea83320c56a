"""The page in each of its states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from playwright.sync_api import expect

from devservers.local_stack import Stack
from devservers.waiting import wait_for
from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import Purpose
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.services import Services
from tests.browser.test_uploads import wav
from tests.browser.visits import Visit, Visits
from tests.browser.worker import Conversion, paused_connector
from tests.factories.jobs import job_now, ready_job
from tests.factories.password_links import issued_token

NAME = "Holiday.mp4"


@dataclass(frozen=True)
class Scene:
    """What a state is made from."""

    visits: Visits
    stack: Stack
    services: Services
    video: Path
    silent_video: Path
    account: str
    admin: str

    def signed_in(self) -> Visit:
        visit = self.visits()
        visit.sign_in(self.account)
        expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
        return visit

    def with_ready_file(self) -> Visit:
        visit = self.signed_in()
        visit.upload(self.video)
        visit.expect_state(NAME, "ready")
        return visit


def caught_mail(stack: Stack, text: str) -> EmailMessage:
    """Return the latest mail that contains a text, as soon as the mail catcher has one."""
    folder = stack.data / "mail" / "new"

    def containing() -> list[bytes]:
        files = sorted(folder.glob("*"), key=lambda file: file.stat().st_mtime)
        return [content for file in files if text.encode() in (content := file.read_bytes())]

    return BytesParser(policy=policy.default).parsebytes(wait_for(containing, "the mail arrives")[-1])


def show_mail(visit: Visit, mail: EmailMessage) -> None:
    body = mail.get_body(("html",))
    assert body is not None
    visit.page.goto("about:blank")
    visit.page.set_content(body.get_content())


@contextmanager
def signed_out(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    expect(visit.button("Sign in")).to_be_visible()
    yield visit


@contextmanager
def refused(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    visit.email.fill(scene.account)
    visit.password.fill("wrong")
    visit.button("Sign in").click()
    expect(visit.page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
    yield visit


@contextmanager
def empty(scene: Scene) -> Iterator[Visit]:
    yield scene.signed_in()


@contextmanager
def uploading(scene: Scene) -> Iterator[Visit]:
    visit = scene.signed_in()
    visit.limit_upload(20_000)
    visit.upload(wav(4000), {"name": "notes.txt", "mimeType": "text/plain", "buffer": b""})
    expect(visit.uploads.filter(has_text="Long.wav")).to_contain_text("left")
    yield visit


@contextmanager
def options_open(scene: Scene) -> Iterator[Visit]:
    visit = scene.signed_in()
    for name in ("Options", "Trim", "Title and other tags"):
        visit.page.get_by_text(name, exact=True).click()
    visit.upload(scene.video)
    expect(visit.page.get_by_role("slider", name="End")).to_be_visible()
    yield visit


@contextmanager
def converting(scene: Scene) -> Iterator[Visit]:
    visit = scene.signed_in()
    with paused_connector(scene.stack):
        visit.upload({"name": NAME, "mimeType": "video/mp4", "buffer": scene.video.read_bytes()}, wav(50))
        visit.expect_state("Long.wav", "queued")
        visit.expect_state(NAME, "queued")
        Conversion(scene.services, visit.job_id(NAME)).advance(42)
        expect(visit.row(NAME)).to_contain_text("42\u00a0%")
        yield visit


@contextmanager
def ready(scene: Scene) -> Iterator[Visit]:
    yield scene.with_ready_file()


@contextmanager
def playing(scene: Scene) -> Iterator[Visit]:
    visit = scene.with_ready_file()
    visit.page.get_by_role("button", name=f"Play {NAME}").click()
    expect(visit.page.get_by_role("button", name=f"Pause {NAME}")).to_be_visible()
    yield visit


@contextmanager
def failed(scene: Scene) -> Iterator[Visit]:
    visit = scene.signed_in()
    visit.upload(scene.silent_video)
    visit.expect_state("Silent.mp4", "failed")
    yield visit


@contextmanager
def question(scene: Scene) -> Iterator[Visit]:
    visit = scene.with_ready_file()
    visit.row(NAME).get_by_role("button", name="Delete").click()
    expect(visit.button("Keep")).to_be_focused()
    yield visit


@contextmanager
def selecting(scene: Scene) -> Iterator[Visit]:
    for number, (form, codec) in enumerate((("m4a", "alac"), ("eac3", "eac3"), ("opus", "opus"), ("wav", "pcm_s24le"))):
        sound = AudioDescription(
            format=form, codec=codec, bitrate=1411, sample_rate=44_100, channels=6, copied=True, cut_start=1, cut_end=99
        )
        ready_job(scene.services, name=f"Talk {number}.mp4", email=scene.account, audio=sound)
    visit = scene.visits()
    visit.sign_in(scene.account)
    visit.button("Select").click()
    visit.button("Select all").click()
    yield visit


@contextmanager
def expired(scene: Scene) -> Iterator[Visit]:
    visit = scene.with_ready_file()
    visit.context.clear_cookies()
    visit.set_clock(86_400)
    # The dialog may be open already, over the button: the page looks for changes by itself, too.
    visit.row(NAME).get_by_role("button", name="Copy link").dispatch_event("click")
    expect(visit.page.get_by_role("dialog", name="Sign in again")).to_be_visible()
    yield visit


@contextmanager
def admin(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    visit.sign_in(scene.admin)
    visit.page.get_by_role("link", name="Users").click()
    expect(visit.page.get_by_role("listitem").filter(has_text=scene.account)).to_be_visible()
    yield visit


@contextmanager
def keys(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    visit.sign_in(scene.admin)
    visit.page.get_by_role("link", name="API keys").click()
    visit.page.get_by_label("Name", exact=True).fill("n" * 100)
    visit.page.get_by_label("Upload videos").check()
    visit.button("Make a key").click()
    expect(visit.page.get_by_label("Your new key")).to_be_visible()
    expect(visit.button(f"Revoke {'n' * 100}").first).to_be_visible()
    yield visit


@contextmanager
def hooks(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    visit.sign_in(scene.admin)
    visit.page.get_by_role("link", name="Webhooks").click()
    # Nothing listens there, so its test fails.
    visit.page.get_by_label("Address", exact=True).fill(f"http://127.0.0.1:1/{'a' * 200}")
    visit.button("Add a webhook").click()
    expect(visit.page.get_by_label("The secret")).to_be_visible()
    visit.page.get_by_role("button", name="Test").click()
    expect(visit.page.get_by_text("webhook.test, failed")).to_be_visible()
    yield visit


@contextmanager
def mail(scene: Scene) -> Iterator[Visit]:
    visit = scene.with_ready_file()
    job_id = visit.job_id(NAME)
    show_mail(visit, caught_mail(scene.stack, job_id))
    yield visit


@contextmanager
def requesting_link(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    visit.button("Create an account").click()
    visit.button("Send the link").click()
    expect(visit.email).to_have_attribute("aria-invalid", "true")
    yield visit


@contextmanager
def link_requested(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    visit.button("Forgot password?").click()
    visit.email.fill(scene.account)
    visit.button("Send the link").click()
    expect(visit.page.get_by_role("heading", name="Check your email")).to_be_visible()
    yield visit


@contextmanager
def password_mail(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits()
    scene.services.password_links.request(scene.account, Purpose.RESET)
    scene.stack.cleanup()
    show_mail(visit, caught_mail(scene.stack, f"To: {scene.account}"))
    yield visit


@contextmanager
def choosing_password(scene: Scene) -> Iterator[Visit]:
    token = issued_token(scene.services, scene.account, Purpose.RESET)
    visit = scene.visits(f"/web/#reset={token.text}")
    visit.button("Save password").click()
    expect(visit.password).to_have_attribute("aria-invalid", "true")
    yield visit


@contextmanager
def dead_password_link(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits(f"/web/#sign-up={OpaqueToken.create().text}")
    expect(visit.button("Ask for a new link")).to_be_focused()
    yield visit


@contextmanager
def dead_link(scene: Scene) -> Iterator[Visit]:
    visit = scene.with_ready_file()
    fid = job_now(scene.services, visit.job_id(NAME)).mp3_fid
    assert fid is not None
    token = Services(replace(scene.services.settings, link_seconds=-60)).tokens.download_link(fid)
    visit.page.goto(f"/download?fid={fid}&token={token}")
    expect(visit.page.get_by_role("heading").first).to_be_visible()
    yield visit


@contextmanager
def not_found(scene: Scene) -> Iterator[Visit]:
    visit = scene.visits("/web/nowhere")
    expect(visit.page.get_by_role("heading").first).to_be_visible()
    scene.visits.errors.clear()  # the browser reports the status of the page itself
    yield visit


State = Callable[[Scene], object]
STATES = [signed_out, refused, empty, uploading, options_open, converting, ready, playing, failed, question, selecting,
          expired, admin, keys, hooks, mail, requesting_link, link_requested, password_mail, choosing_password,
          dead_password_link, dead_link, not_found]  # fmt: skip
