"""The OpenAPI document has every problem code with its status, and no other."""

from __future__ import annotations

from http import HTTPStatus

from soundlift.common.errors import SoundliftError
from tests.deploy.test_problem_codes import ERRORS, FAILED_JOBS, RESPONSES, errors_below, rows
from tests.openapi.document import problems, schema

NEVER_SENT = {
    "broker_unavailable": "the event is logged and sent later, after the job was committed",
    "mail_refused": "notify gives the mail up, and the job document has the reason",
}
OF_EVENTS = ("internal_error", HTTPStatus.SERVICE_UNAVAILABLE)  # a Knative source does not resend an event after a 500


def test_every_code_of_a_response_is_described_with_its_status() -> None:
    documented = {(row[0].strip("`"), int(row[1])) for row in rows(RESPONSES)}
    described = {(example["code"], example["status"]) for _, _, examples in problems() for example in examples}
    assert described - {OF_EVENTS} == {(code, status) for code, status in documented if code not in NEVER_SENT}


def test_every_problem_response_has_an_example_of_each_of_its_codes_with_its_own_status() -> None:
    for status, codes, examples in problems():
        assert {example["code"] for example in examples} == codes
        assert {str(example["status"]) for example in examples} == {status}


def test_the_titles_of_the_examples_are_those_of_the_errors() -> None:
    titles = {error.code: error.title for error in errors_below(SoundliftError) if error.__module__ in ERRORS}
    for _, _, examples in problems():
        for example in examples:
            if example["code"] in titles and example["code"] != "internal_error":  # its title is the status's phrase
                assert example["title"] == titles[example["code"]]


def test_every_code_of_a_failed_job_is_described() -> None:
    described = schema("Job")["properties"]["error"]["properties"]["code"]["enum"]
    assert described == [row[0].strip("`") for row in rows(FAILED_JOBS)]
