"""An operator reads the history of a job from the database."""

from __future__ import annotations

import json

import pytest

from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.history_text import TEXTS, history_lines
from soundlift.common.jobs.history_entry import HistoryEntry, Step
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.factories.jobs import claimed_job, queued_job


def _entry(step: str, **values: object) -> HistoryEntry:
    return HistoryEntry(**{"at": 0.25, "step": step, "attempt": None, "claim": None, "detail": None, **values})


@pytest.mark.slow
def test_the_history_of_a_job_is_printed_with_causes_or_as_json(services: Services, run: Run) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.release(claim, cause="The media store\x1b[2J cannot be used.")
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    printed = run("job", "history", job.id, TZ="UTC", **data)
    assert printed.returncode == 0, printed.stderr
    day, *lines = printed.stdout.splitlines()
    assert day.endswith(" UTC")
    assert [line[12:] for line in lines] == [
        "upload began",
        "upload complete, queued",
        f"conversion began, attempt 1 [{claim.token[:6]}]",
        f"conversion postponed, queued, attempt 1 [{claim.token[:6]}]: The media store\\u{{1b}}[2J cannot be used.",
    ]
    documents = [json.loads(line) for line in run("job", "history", job.id, "--json", **data).stdout.splitlines()]
    assert [document["step"] for document in documents] == ["receiving", "queued", "claimed", "released"]
    assert documents[2]["claim"] == claim.token


@pytest.mark.slow
def test_a_job_without_a_history_is_explained(services: Services, run: Run) -> None:
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    ended = run("job", "history", "0" * 24, **data)
    sentence = "soundlift: There is no job with this id; it never existed, or it has been deleted with its history.\n"
    assert (ended.returncode, ended.stderr) == (ExitCode.FAILED, sentence)
    job = queued_job(services)
    with services.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM job_history")
    ended = run("job", "history", job.id, **data)
    sentence = "No steps are recorded: the job is queued, and older than this record.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", sentence)


def test_every_step_has_a_text() -> None:
    assert set(TEXTS) == set(Step)


def test_a_claim_after_a_claim_says_that_a_worker_died() -> None:
    steps = [Step.CLAIMED, Step.EVENT_RESENT, Step.CLAIMED, Step.RELEASED, Step.CLAIMED]
    lines = list(history_lines([_entry(step) for step in steps]))
    assert [line.endswith("; the worker before it died") for line in lines] == [False, False, False, True, False, False]


def test_a_step_of_a_newer_release_is_shown_by_its_name() -> None:
    assert list(history_lines([_entry("teleported")]))[1].endswith(".2  teleported")
