"""Offline and back, and a server that is away for a while."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Route, expect

from devservers.local_stack import Stack
from soundlift.common.services import Services
from tests.browser.visits import Visit
from tests.browser.worker import Conversion, paused_connector


def test_offline_the_list_stays_and_is_brought_up_to_date_afterwards(
    visit: Visit, video: Path, stack: Stack, stack_services: Services
) -> None:
    with paused_connector(stack):
        visit.upload(video)
        visit.expect_state("Holiday.mp4", "queued")
        conversion = Conversion(stack_services, visit.job_id("Holiday.mp4"))
        visit.context.set_offline(True)
        expect(visit.page.locator("sl-job-list").get_by_text("You are offline. This list is updated")).to_be_visible()
        conversion.finish(b"ID3", 3.0)
        expect(visit.rows).to_have_count(1)
        visit.context.set_offline(False)
        visit.expect_state("Holiday.mp4", "ready")
        expect(visit.page.locator("sl-job-list").get_by_text("You are offline. This list is updated")).to_be_hidden()


def test_a_file_chosen_offline_is_uploaded_when_the_connection_is_back(visit: Visit, video: Path) -> None:
    visit.context.set_offline(True)
    visit.upload(video)
    expect(visit.uploads).to_contain_text("You are offline. The upload starts again when the connection is back.")
    visit.context.set_offline(False)
    visit.expect_state("Holiday.mp4", "ready")
    expect(visit.uploads).to_have_count(0)
    expect(visit.rows).to_have_count(1)


def test_a_connection_lost_in_an_upload_is_made_up_for(visit: Visit, video: Path) -> None:
    methods: list[str] = []

    def lose_first(route: Route) -> None:
        methods.append(route.request.method)
        if len(methods) == 1:
            route.abort("connectionreset")
        else:
            route.continue_()

    visit.page.route("**/upload*", lose_first)
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    expect(visit.rows).to_have_count(1)
    assert methods == ["POST", "GET", "POST"]
