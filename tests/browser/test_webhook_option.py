"""The option that names a webhook, which uploads of every kind send."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from devservers.waiting import wait_for
from devservers.webhook_receiver import WebhookReceiver
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from soundlift.common.webhooks.model import Endpoint
from tests.browser.silence import silent_wav
from tests.browser.test_option_panel import options_of_next_job
from tests.browser.visits import Visit, Visits
from tests.factories.webhooks import endpoint
from tests.imports.sources import Source
from tests.outbound.servers import RawServer

MORE_THAN_A_PART = 34_000  # kilobytes


@pytest.fixture
def named(stack_services: Services, account: str, receiver: WebhookReceiver) -> Endpoint:
    """Return a webhook of the user that gets only the jobs whose upload names it."""
    return endpoint(stack_services, receiver.url, account, all_jobs=False)


@pytest.fixture
def field(visit: Visit) -> Locator:
    return visit.page.get_by_label("Webhook", exact=True)


def toggle_options(visit: Visit) -> None:
    visit.page.get_by_text("Options", exact=True).click()


def choose(visit: Visit, field: Locator, hook: Endpoint) -> None:
    """Choose a webhook, and close the options, so that an upload starts at once."""
    toggle_options(visit)
    field.select_option(hook.url)
    toggle_options(visit)


def test_a_webhook_that_is_chosen_gets_the_file(
    visit: Visit, field: Locator, named: Endpoint, receiver: WebhookReceiver, video: Path
) -> None:
    choose(visit, field, named)
    expect(visit.page.locator(".options-summary")).to_have_text("MP3 · announced to a webhook")
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    wait_for(lambda: receiver.messages, "the message arrives")
    job_id = visit.job_id("Holiday.mp4")
    assert job_id in receiver.messages[0].body.decode()
    visit.page.get_by_role("link", name="Webhooks").click()
    visit.page.get_by_role("button", name="Deliveries").click()
    visit.page.get_by_role("link", name="job.ready").click()
    expect(visit.page).to_have_url(re.compile(f"#job={job_id}$"))
    expect(visit.page).to_have_title("Soundlift")


def in_parts(visit: Visit, folder: Path) -> None:
    visit.upload(silent_wav(folder, "long.wav", MORE_THAN_A_PART))


def by_form(visit: Visit, folder: Path) -> None:
    """Upload with tags that are too long for an address."""
    toggle_options(visit)
    visit.page.get_by_text("Title and other tags", exact=True).click()
    visit.page.get_by_label("Comment", exact=True).fill("ж" * 1000)
    toggle_options(visit)
    visit.upload(silent_wav(folder, "short.wav", 10))


@pytest.mark.parametrize("upload", [in_parts, by_form])
def test_every_kind_of_upload_names_the_webhook(
    visit: Visit, field: Locator, named: Endpoint, upload: Callable[[Visit, Path], None], tmp_path: Path
) -> None:
    choose(visit, field, named)
    options = options_of_next_job(visit, lambda: upload(visit, tmp_path))
    assert options["webhook"] == named.id


def test_an_import_names_the_webhook_and_forgets_the_title_like_an_upload(
    visit: Visit, field: Locator, named: Endpoint, video: Path, stack_services: Services
) -> None:
    choose(visit, field, named)
    toggle_options(visit)
    visit.page.get_by_text("Title and other tags", exact=True).click()
    title = visit.page.get_by_label("Title", exact=True)
    title.fill("Only this one")
    visit.button("Convert from a link").click()
    with RawServer(Source(video.read_bytes())).running() as server:
        visit.page.get_by_label("Link to a video").fill(f"{server.url}/talk.mp4")
        visit.button("Convert link").click()
        visit.expect_state("talk.mp4", "ready")
    job = stack_services.jobs.find(visit.job_id("talk.mp4"))
    assert job is not None
    assert job.webhook == named.id
    assert AudioOptions.from_json(job.options or "").tags == {"title": "Only this one"}
    expect(title).to_have_value("")
    expect(field).to_have_value(named.id)
    visit.button("Reset to defaults").click()
    expect(field).to_have_value("")


def test_only_webhooks_that_would_not_get_the_file_otherwise_are_offered(
    visit: Visit, field: Locator, stack_services: Services, account: str, receiver: WebhookReceiver
) -> None:
    endpoint(stack_services, f"{receiver.url}/all", account)
    with visit.page.expect_response("**/hooks"):
        toggle_options(visit)
    expect(visit.page.get_by_label("Audio track")).to_be_visible()
    expect(field).to_be_hidden()
    named = endpoint(stack_services, f"{receiver.url}/named", account, all_jobs=False)
    disabled = endpoint(stack_services, f"{receiver.url}/disabled", account, all_jobs=False)
    stack_services.webhooks.change(disabled, url=disabled.url, all_jobs=False, disabled=True)
    visit.page.get_by_role("link", name="Webhooks").click()
    visit.page.get_by_role("link", name="Files").click()
    expect(field.locator("option")).to_have_text(["Only those for all files", named.url])
    visit.button("Sign out").click()
    visit.sign_in(account)  # with the options still open
    expect(field.locator("option")).to_have_text(["Only those for all files", named.url])


def test_a_webhook_that_was_removed_since_is_not_chosen_any_more(
    visit: Visit, field: Locator, named: Endpoint, stack_services: Services, video: Path
) -> None:
    choose(visit, field, named)
    stack_services.webhooks.remove(named)
    visit.upload(video)
    expect(visit.uploads).to_contain_text("you have no webhook with this id or URL")
    visit.page.get_by_role("button", name="Change the options").click()
    expect(visit.page.locator(".options-summary")).to_have_text("MP3")
    expect(field).to_be_hidden()
    visit.button("Convert 1 file").click()
    visit.expect_state("Holiday.mp4", "ready")


def test_the_next_user_of_the_browser_gets_neither_the_choice_nor_the_list(
    visit: Visit, field: Locator, named: Endpoint, admin: str
) -> None:
    choose(visit, field, named)
    visit.button("Sign out").click()
    visit.sign_in(admin)
    expect(visit.page.locator(".options-summary")).to_have_text("MP3")
    assert named.url not in visit.page.content()


def test_options_stay_complete_without_the_list_of_webhooks(
    visits: Visits, visit: Visit, field: Locator, named: Endpoint, video: Path
) -> None:
    visit.page.route("**/hooks", lambda route: route.abort())
    toggle_options(visit)
    visit.upload(video)
    visit.button("Convert 1 file").click()
    visit.expect_state("Holiday.mp4", "ready")
    visit.page.unroute("**/hooks")
    visits.errors.clear()  # the browser reports what failed
    toggle_options(visit)
    expect(field).to_be_visible()
