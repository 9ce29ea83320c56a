"""The view of users, for admins."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.browser.silence import silent_wav
from tests.browser.visits import Visit, Visits


def test_an_admin_sees_each_user_and_their_jobs(
    visits: Visits, visit: Visit, account: str, admin: str, video: Path, tmp_path: Path, stack_services: Services
) -> None:
    visit.upload(video)
    visit.expect_state("Holiday.mp4", "ready")
    stack_services.limits.change(account, {"minutes_per_day": 90})
    office = visits()
    office.sign_in(admin)
    page = office.page
    office.upload(silent_wav(tmp_path, "another.wav", 100))
    office.expect_state("another.wav", "ready")
    page.get_by_role("link", name="Users").click()
    users = page.get_by_role("listitem")
    own_row = users.filter(has=page.get_by_text(admin, exact=True))

    def shows_all() -> bool:
        """Ask for more users until the last one, which is the admin, is shown."""
        if own_row.count() == 0 and office.button("Show more").is_visible():
            office.button("Show more").click()
        return own_row.count() == 1

    wait_for(shows_all, "all users are shown")
    expect(own_row).to_contain_text("Admin")
    row = users.filter(has=page.get_by_text(account, exact=True))
    expect(row).to_contain_text(re.compile(r"Jobs in progress 0 of \d+"))
    expect(row).to_contain_text(re.compile(r"Stored \d.*\skB of \d.*\sGB"))
    expect(row).to_contain_text("Uploads in the last hour 1")
    expect(row).to_contain_text(re.compile(r"Minutes of sound in 24 hours 0\.\d of 90"))
    row.get_by_role("button", name=f"Show jobs of {account}").click()
    office.expect_state("Holiday.mp4", "ready")
    expect(page.locator("li.job")).to_have_count(1)


def test_other_users_have_no_such_view(visit: Visit) -> None:
    expect(visit.page.get_by_role("link", name="Users")).to_have_count(0)
    visit.page.goto("/web/#users")
    expect(visit.page.get_by_label("Choose videos")).to_be_attached()
    expect(visit.page.get_by_role("heading", name="Users")).to_have_count(0)
