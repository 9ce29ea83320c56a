"""The page shows names by the same rule as the mails and the command, soundlift/common/printable.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from soundlift.common.services import Services
from tests.browser.visits import Visit
from tests.factories.jobs import ready_job

pytestmark = pytest.mark.browser

EXAMPLES = json.loads((Path(__file__).parents[1] / "web" / "printable.json").read_text())
ESCAPE = """async (json) => {
  const { escaped } = await import("./printable.js");
  return JSON.parse(json).map(escaped);
}"""


def test_the_page_escapes_what_the_functions_do(visit: Visit) -> None:
    found = visit.page.evaluate(ESCAPE, json.dumps([example["text"] for example in EXAMPLES]))
    assert found == [example["escaped"] for example in EXAMPLES]


def test_a_name_that_another_program_stored_is_shown_with_escapes(
    visit: Visit, account: str, stack_services: Services
) -> None:
    ready_job(stack_services, email=account, name="annexe\u202e\u200b4pm.exe")
    heading = visit.rows.get_by_role("heading")
    expect(heading).to_have_text(r"annexe\u{202e}\u{200b}4pm.exe")
    assert heading.locator("bdi").count() == 1
