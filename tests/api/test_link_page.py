"""download: the page that a browser gets for a signed link that does not work, and the problem that a program gets."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from werkzeug.test import TestResponse

from soundlift.common.auth.tokens import Tokens
from soundlift.common.services import Services
from tests.factories.accounts import SECRET, bearer
from tests.factories.jobs import age, notified_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
PAGE = "http://127.0.0.1:8080/web/"


def open_link(function: Call, url: str, accept: str = BROWSER) -> TestResponse:
    return function("download").get(url, headers={"Accept": accept})


def assert_page(response: TestResponse, status: int, heading: str, address: str) -> None:
    assert (response.status_code, response.content_type) == (status, "text/html; charset=utf-8")
    assert f"<h1>{heading}</h1>" in response.text
    (icon,) = re.findall(r'<link rel="icon" href="([^"]*)"', response.text)
    assert icon.startswith("data:")
    assert re.findall(r'href="([^"]*)"', response.text) == [icon, address]


def expired_token(fid: str) -> str:
    return Tokens((SECRET,), sign_in_seconds=1, link_seconds=-1).download_link(fid)


def expired_link(fid: str) -> str:
    return f"/?fid={fid}&token={expired_token(fid)}"


def test_an_expired_link_offers_a_new_one_on_the_page_of_its_job(function: Call, services: Services) -> None:
    job = ready_job(services)
    response = open_link(function, expired_link(str(job.mp3_fid)))
    assert_page(response, 401, "This link has expired", f"{PAGE}#job={job.id}")


def test_an_expired_link_to_a_deleted_job_names_no_job(function: Call, services: Services) -> None:
    job = ready_job(services)
    services.jobs.delete(job.id)
    for fid in (str(job.mp3_fid), "f" * 24):
        assert_page(open_link(function, expired_link(fid)), 401, "This link has expired", PAGE)


def test_an_expired_token_of_another_mp3_or_of_a_sign_in_names_no_job(function: Call, services: Services) -> None:
    own, other = ready_job(services), ready_job(services, email="bob@example.org")
    sign_in = Tokens((SECRET,), sign_in_seconds=-1, link_seconds=1).sign_in("ada@example.org", admin=False)
    for token, heading in (
        (expired_token(str(own.mp3_fid)), "This link has expired"),
        (sign_in, "This link does not work"),
    ):
        response = open_link(function, f"/?fid={other.mp3_fid}&token={token}")
        assert_page(response, 401, heading, PAGE)


def test_a_link_to_a_deleted_an_expired_or_another_mp3_is_explained(function: Call, services: Services) -> None:
    deleted, expired, other = ready_job(services), notified_job(services), ready_job(services)
    links = {job.id: f"/?fid={job.mp3_fid}&token={services.tokens.download_link(str(job.mp3_fid))}" for job in
             (deleted, expired)}  # fmt: skip
    services.jobs.delete(deleted.id)
    age(services, expired, services.settings.retention_seconds + 1)
    function("cleanup").post("/")
    assert_page(open_link(function, links[deleted.id]), 404, "This file has been deleted", PAGE)
    assert_page(open_link(function, links[expired.id]), 410, "This file has expired", f"{PAGE}#job={expired.id}")
    foreign = links[deleted.id].replace(str(deleted.mp3_fid), str(other.mp3_fid))
    for link in (foreign, f"/?fid={other.mp3_fid}&token=x", "/?token=x", f"/?jobs={other.id}&token=x"):
        assert_page(open_link(function, link), 401, "This link does not work", PAGE)
    assert_page(open_link(function, "/?jobs=x&token=x"), 400, "Bad Request", PAGE)


def test_the_page_may_load_nothing_and_keeps_the_address_with_the_token_to_itself(
    function: Call, services: Services
) -> None:
    response = open_link(function, expired_link(str(ready_job(services).mp3_fid)))
    style = re.findall(r"<style>(.*)</style>", response.text, re.DOTALL)[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert set(response.headers["Content-Security-Policy"].split("; ")) == {
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    }
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == "Accept"
    assert "<script" not in response.text
    assert "token" not in response.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/problem+json, text/html", "", "audio/mpeg"])
def test_a_program_gets_a_problem_document(function: Call, services: Services, accept: str) -> None:
    response = open_link(function, expired_link(str(ready_job(services).mp3_fid)), accept)
    assert_problem(response, 401, code="link_expired")
    assert response.headers["Vary"] == "Accept"


def test_a_request_with_a_sign_in_gets_a_problem_document(function: Call, services: Services) -> None:
    headers = {**bearer(services), "Accept": BROWSER}
    assert_problem(function("download").get(f"/?fid={'f' * 24}", headers=headers), 404)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>', "%00"])
def test_the_page_contains_nothing_that_the_address_contains(function: Call, text: str) -> None:
    response = function("download").get("/", query_string={"fid": text, "token": text}, headers={"Accept": BROWSER})
    assert response.status_code == 401
    assert text not in response.text


def test_a_browser_gets_a_page_while_a_store_is_unavailable(function: Call, services: Services) -> None:
    job = ready_job(services)
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    response = open_link(function, f"/?fid={job.mp3_fid}&token={services.tokens.download_link(str(job.mp3_fid))}")
    assert_page(response, 503, "Unavailable", PAGE)
    assert response.headers["Retry-After"]
