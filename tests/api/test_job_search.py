"""jobs: lists by a part of the file name, by state and by user."""

from __future__ import annotations

from typing import Any

import pytest

from soundlift.common.jobs import lists as module
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import failed_job, job_now, queued_job, ready_job, receiving_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

BASE = "http://127.0.0.1:8080/jobs"


def names(function: Call, services: Services, **query: Any) -> list[str]:
    """Return the file names of all pages of a list."""
    client, headers = function("jobs"), bearer(services)
    answer = client.get("/", query_string=query, headers=headers).json
    found = [job["file_name"] for job in answer["jobs"]]
    while link := answer["links"].get("next"):
        answer = client.get(link.replace(BASE, "/"), headers=headers).json
        found += [job["file_name"] for job in answer["jobs"]]
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("talk", ["Talk 2.mp4", "my TALK.mov"]),
        ("ÉTÉ", ["L'été.mp4"]),
        ("e\u0301t", ["L'été.mp4"]),
        ("STRASSE", ["Straße.mkv"]),
        ("100%", ["100%_done.mp4"]),
        ("_", ["100%_done.mp4"]),
        ("\\", []),
        ("' OR 1=1", []),
        (".m", ["100%_done.mp4", "Straße.mkv", "L'été.mp4", "Talk 2.mp4", "my TALK.mov"]),
    ],
)
def test_a_search_finds_a_part_of_the_file_name_in_any_case(
    function: Call, services: Services, text: str, found: list[str]
) -> None:
    for name in ("my TALK.mov", "Talk 2.mp4", "L'été.mp4", "Straße.mkv", "100%_done.mp4"):
        queued_job(services, name=name)
    queued_job(services, name="talk of another.mp4", email="bob@example.org")
    receiving_job(services, name="talk in progress.mp4")
    assert names(function, services, q=text) == found


def test_a_list_by_state_has_only_jobs_in_one_of_the_states(function: Call, services: Services) -> None:
    ready, failed, queued = ready_job(services), failed_job(services), queued_job(services)
    client, headers = function("jobs"), bearer(services)

    def ids(state: str) -> list[str]:
        return [job["job_id"] for job in client.get(f"/?state={state}", headers=headers).json["jobs"]]

    assert ids("ready") == [ready.id]
    assert ids("queued,failed") == [queued.id, failed.id]
    assert ids("cancelled") == []
    assert len(ids("")) == 3


@pytest.mark.parametrize("state", ["deleted", "receiving", "x", "ready;", "READY", ",".join(["ready"] * 9) + ",x"])
def test_an_unknown_state_is_rejected_with_the_known_ones(function: Call, services: Services, state: str) -> None:
    answer = function("jobs").get("/", query_string={"state": state}, headers=bearer(services))
    assert_problem(answer, 400)
    assert "queued, converting, ready" in answer.json["detail"]


def test_a_text_longer_than_any_file_name_is_rejected(function: Call, services: Services) -> None:
    assert_problem(function("jobs").get(f"/?q={'a' * 256}", headers=bearer(services)), 400)


def test_a_search_is_paged_and_keeps_its_filters(function: Call, services: Services) -> None:
    wanted = [f"talk {number}.mp4" for number in range(5)]
    for name in wanted:
        queued_job(services, name=name)
        queued_job(services, name="other.mp4")
        services.jobs.cancel(queued_job(services, name="cancelled talk.mp4").id)
    assert names(function, services, q="talk", state="queued", limit=2) == wanted[::-1]


def test_a_search_reads_a_long_list_in_parts_and_finds_each_job_once(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)
    wanted = [f"talk {number}.mp4" for number in range(7)]
    for name in wanted:
        queued_job(services, name=name)
    for limit in (1, 3, 4, 7, 8):
        assert names(function, services, q="talk", limit=limit) == wanted[::-1]
    assert function("jobs").get("/?q=talk&limit=8", headers=bearer(services)).json["links"] == {}


def test_a_search_looks_at_a_limited_number_of_jobs_and_says_where_to_continue(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEARCH_ROWS", 3)
    queued_job(services, name="rare.mp4")
    for _ in range(7):
        queued_job(services, name="other.mp4")
    first = function("jobs").get("/?q=rare", headers=bearer(services)).json
    assert first["jobs"] == []
    assert first["links"]["next"].startswith(f"{BASE}?limit=50&after=")
    assert names(function, services, q="rare") == ["rare.mp4"]


def test_a_page_continues_though_the_last_job_of_the_earlier_one_was_deleted(
    function: Call, services: Services
) -> None:
    jobs = [ready_job(services, name=f"{number}.mp4") for number in range(4)]
    client, headers = function("jobs"), bearer(services)
    for query in ("limit=2", "limit=2&q=.mp4"):
        link = client.get(f"/?{query}", headers=headers).json["links"]["next"].replace(BASE, "/")
        if query == "limit=2":
            services.jobs.delete(jobs[2].id)
            services.jobs.mark_disposed(job_now(services, jobs[2].id))
            assert [job["file_name"] for job in client.get(link, headers=headers).json["jobs"]] == ["1.mp4", "0.mp4"]
    assert names(function, services, limit=2) == ["3.mp4", "1.mp4", "0.mp4"]


@pytest.mark.parametrize("after", ["x", "f" * 24, f"{'f' * 24}@", f"{'f' * 24}@1e99", "@1.0", f"{'f' * 24}@-1.0"])
def test_a_page_after_an_unknown_job_is_empty(function: Call, services: Services, after: str) -> None:
    queued_job(services)
    answer = function("jobs").get("/", query_string={"after": after}, headers=bearer(services)).json
    assert (answer["jobs"], answer["links"]) == ([], {})


def test_only_an_admin_may_list_the_jobs_of_another_user(function: Call, services: Services) -> None:
    queued_job(services, name="ada.mp4")
    queued_job(services, name="bob.mp4", email="bob@example.org")
    client, root = function("jobs"), bearer(services, "root@example.org", admin=True)

    def listed(user: str, headers: dict[str, str]) -> list[str]:
        answer = client.get("/", query_string={"user": user}, headers=headers).json
        return [job["file_name"] for job in answer["jobs"]]

    assert listed("bob@example.org", root) == ["bob.mp4"]
    assert listed("nobody@example.org", root) == []
    assert listed("", root) == ["bob.mp4", "ada.mp4"]
    assert listed("ada@example.org", bearer(services)) == ["ada.mp4"]
    for path in ("/?", "/?changed_since=x&", "/events?"):
        refused = client.get(f"{path}user=bob@example.org", headers=bearer(services))
        assert_problem(refused, 403, code="forbidden")
