"""The list: search, pages, the focus after a row is gone, and several rows at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from soundlift.common.services import Services
from tests.browser.visits import Visit, Visits
from tests.factories.jobs import failed_job, ready_job

PAGE_SIZE = 20
NUMBER = PAGE_SIZE + 3


@pytest.fixture
def full(visits: Visits, account: str, stack_services: Services) -> Visit:
    """Return the page of a user with more jobs than a page of the list shows."""
    for number in range(NUMBER):
        ready_job(stack_services, name=f"Talk {number:02}.mp4", email=account)
    visit = visits()
    visit.sign_in(account)
    expect(visit.rows).to_have_count(PAGE_SIZE)
    return visit


def test_more_pages_are_shown_on_demand_and_the_focus_moves_on(full: Visit) -> None:
    full.button("Show more").click()
    expect(full.rows).to_have_count(NUMBER)
    expect(full.rows.nth(PAGE_SIZE)).to_be_focused()
    expect(full.button("Show more")).to_be_hidden()


def test_the_search_finds_files_beyond_the_first_page(full: Visit) -> None:
    search = full.page.get_by_role("searchbox", name="Search by name")
    search.fill("TALK 01")
    expect(full.rows).to_have_count(1)
    expect(full.row("Talk 01.mp4")).to_be_visible()
    search.fill("nothing like it")
    expect(full.page.get_by_text("No file matches.")).to_be_visible()
    search.fill("")
    expect(full.rows).to_have_count(PAGE_SIZE)


def test_states_can_be_chosen(full: Visit) -> None:
    full.page.get_by_label("State").select_option("Failed")
    expect(full.page.get_by_text("No file matches.")).to_be_visible()
    full.page.get_by_label("State").select_option("Ready")
    expect(full.rows).to_have_count(PAGE_SIZE)


def test_the_focus_goes_to_the_next_row_when_one_is_deleted(full: Visit) -> None:
    first, second = full.row("Talk 22.mp4"), full.row("Talk 21.mp4")
    first.get_by_role("button", name="Delete").click()
    full.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(first).to_have_count(0)
    expect(second).to_be_focused()


def test_several_files_are_deleted_at_once_after_a_question(full: Visit) -> None:
    full.button("Select").click()
    for name in ("Talk 22.mp4", "Talk 20.mp4"):
        full.row(name).get_by_role("checkbox").check()
    expect(full.page.get_by_role("group", name="Selected files")).to_contain_text("2 files selected")
    full.page.get_by_role("group", name="Selected files").get_by_role("button", name="Delete").click()
    full.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(full.row("Talk 22.mp4")).to_have_count(0)
    expect(full.row("Talk 20.mp4")).to_have_count(0)
    expect(full.row("Talk 21.mp4")).to_be_visible()


def test_an_admin_sees_all_users_and_the_jobs_of_each(
    visits: Visits, account: str, admin: str, stack_services: Services
) -> None:
    ready_job(stack_services, name="Of a user.mp4", email=account)
    visit = visits()
    visit.sign_in(admin)
    expect(visit.rows).to_have_count(0)
    visit.page.get_by_role("link", name="Users").click()
    expect(visit.page.get_by_role("heading", name="Users")).to_be_visible()
    user = visit.page.get_by_role("listitem").filter(has_text=account)
    expect(user).to_contain_text("Jobs in progress 0")
    user.get_by_role("button", name=f"Show jobs of {account}").click()
    expect(visit.page.get_by_role("heading", name=f"Files of {account}")).to_be_visible()
    expect(visit.row("Of a user.mp4")).to_be_visible()
    visit.page.get_by_label("Owner").select_option("All files")
    expect(visit.rows.first).to_be_visible()


def test_a_user_sees_no_users(visits: Visits, account: str) -> None:
    visit = visits("/web/#users")
    visit.sign_in(account)
    expect(visit.page.get_by_text("Nothing here yet.")).to_be_visible()
    expect(visit.page.get_by_role("link", name="Users")).to_have_count(0)


def test_a_failed_job_of_long_ago_is_still_explained(visits: Visits, stack_services: Services, account: str) -> None:
    failed_job(stack_services, "There is no sound in it.", email=account)
    visit = visits()
    visit.sign_in(account)
    expect(visit.rows).to_contain_text("There is no sound in it. Check that this is the right file.")
