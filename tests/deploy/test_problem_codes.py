"""docs/problems.md lists every code of an error response and of a failed job, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from werkzeug.exceptions import default_exceptions

from functions.convert import failures
from functions.fetch.failures import IMPORT_CODES
from soundlift.common.errors import SoundliftError, problem_code
from soundlift.common.jobs.model import LOST
from soundlift.common.web.error_responses import DETAILS
from soundlift.common.webhooks.errors import TooManyWebhooks

PAGE = (Path(__file__).parents[2] / "docs" / "problems.md").read_text()
RESPONSES, FAILED_JOBS = PAGE.split("## Failed jobs")
# Flask and Werkzeug raise these by themselves; each of the other statuses has an error of our own.
RAISED_BY_FLASK = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
)
# Those of responses; other modules' subclasses are errors of commands.
ERRORS = (SoundliftError.__module__, TooManyWebhooks.__module__)
# Their messages differ from job to job.
MADE_BY_FUNCTIONS = {"no_such_track", "daily_minutes_exceeded", "no_container", "cannot_copy", "gave_up", *LOST}


def errors_below(parent: type[SoundliftError]) -> Iterator[type[SoundliftError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from errors_below(child)


def rows(section: str) -> list[list[str]]:
    return [re.split(r"\s*\|\s*", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]


def test_every_code_of_a_response_is_documented_with_its_status() -> None:
    of_ours = {(error.code, error.status) for error in errors_below(SoundliftError) if error.__module__ in ERRORS}
    of_flask = {(problem_code(default_exceptions[status]().name), status.value) for status in RAISED_BY_FLASK}
    of_gunicorn = {
        (problem_code(status.phrase), status.value) for status in DETAILS if status != HTTPStatus.INTERNAL_SERVER_ERROR
    }
    documented = {(row[0].strip("`"), int(row[1])) for row in rows(RESPONSES)}
    assert documented == of_ours | of_flask | of_gunicorn


def test_every_code_of_a_failed_job_is_documented() -> None:
    reasons = {value.code for value in vars(failures).values() if isinstance(value, failures.FailureReason)}
    assert {row[0].strip("`") for row in rows(FAILED_JOBS)} == reasons | set(IMPORT_CODES) | MADE_BY_FUNCTIONS


def test_every_code_says_what_to_do() -> None:
    assert all(row[-1].endswith(".") for row in [*rows(RESPONSES), *rows(FAILED_JOBS)])
