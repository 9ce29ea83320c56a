"""What is printed about a violation."""

from __future__ import annotations

from typing import Any

from tests.chaos.accounts.accountant import CHECKS, account, sentence
from tests.chaos.accounts.report import describe
from tests.chaos.outside.view import Outside
from tests.chaos.small_run import CLIPS, fault, response, upload


def test_a_violation_is_printed_with_the_history_of_its_job_and_the_faults_around_it() -> None:
    facts: list[Any] = [upload("good"), response("good", 202, "j1"), fault("kill", 11.0), fault("stop", 90.0)]
    outside = Outside()
    text = describe(account(facts, CLIPS, outside), facts, lambda job: f"queued {job}\nconverting {job}")
    assert text.splitlines() == [
        f"VIOLATED: {sentence(CHECKS[0])}: the upload was answered with the job j1, which is gone (good j1)",
        '      1.000 upload    {"upload": "good", "request": 1, "user": "ada@example.org", "clip": 0, "key": "a key", '
        '"file_name": "good.mp4"}',
        '      2.000 response  {"upload": "good", "request": 1, "status": 202, "job": "j1"}',
        '     11.000 fault     {"name": "kill", "target": "notify", "phase": "begin"}',
        "  soundlift job history j1",
        "    queued j1",
        "    converting j1",
    ]
