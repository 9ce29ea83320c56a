"""What the users of a run send in parts, and what they let a deployment fetch and send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
from standardwebhooks import Webhook

from tests.chaos.clips.clips import Clip
from tests.chaos.history import History, read_history
from tests.chaos.users.plan import UploadPlan, Way, plan_upload
from tests.chaos.users.receiver import WebhookEndpoint
from tests.chaos.users.requests import Answer, Body
from tests.chaos.users.resuming import ResumableSending
from tests.chaos.users.source import ClipSource

CONTENT = bytes(range(256)) * 10
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class TusServer:
    """One resumable upload, whose answers with the numbers in `lost` get lost after the work was done."""

    def __init__(self, lost: set[int]) -> None:
        self.content = b""
        self.length = 0
        self.methods: list[str] = []
        self._lost = lost

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None) -> Answer:
        method = headers.get("X-HTTP-Method-Override", method)
        self.methods.append(method)
        answer = self._answer(method, headers, b"".join(body.blocks) if body else b"")
        return Answer(None, error="lost") if len(self.methods) in self._lost else answer

    def _answer(self, method: str, headers: Mapping[str, str], content: bytes) -> Answer:
        if method == "DELETE":
            return Answer(204)
        if method == "POST":
            self.length = int(headers["Upload-Length"])
        if method == "PATCH" and int(headers["Upload-Offset"]) != len(self.content):
            return Answer(409)
        self.content += content
        found = {"upload-offset": str(len(self.content)), "location": "http://soundlift/upload/files/u1"}
        if len(self.content) == self.length:
            found["soundlift-job"] = "j1"
        return Answer({"POST": 201, "HEAD": 200, "PATCH": 204}[method], headers=found)


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)
    return Clip(0, "mp4", path, "video/mp4", 300.0, 1.0, True, frozenset({"ready"}), frozenset())


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "history.jsonl")
    yield history
    history.close()


def _plan(way: Way) -> UploadPlan:
    return next(plan for plan in (plan_upload(1, number, 1) for number in range(1000)) if plan.way == way)


@pytest.mark.parametrize("way", [Way.RESUMABLE, Way.KEYED_RESUMABLE, Way.POSTED])
def test_a_resumable_upload_is_continued_where_the_server_has_arrived(way: Way, clip: Clip, history: History) -> None:
    server = TusServer(lost={3, 6})
    answer = ResumableSending(server, history, _plan(way), clip, "a.mp4", lambda: False).send()
    assert (answer.status, answer.job) == (202, "j1")
    assert server.content == CONTENT
    assert server.methods.count("HEAD") >= 2
    assert server.methods.count("PATCH") >= 4


def test_a_removed_upload_is_never_complete(clip: Clip, history: History) -> None:
    server = TusServer(lost=set())
    assert ResumableSending(server, history, _plan(Way.REMOVED), clip, "a.mp4", lambda: False).send() == Answer(204)
    assert server.methods[-1] == "DELETE"
    assert len(server.content) < len(CONTENT)


def test_the_source_sends_the_rest_of_a_file_after_it_has_broken_off(clip: Clip) -> None:
    with ClipSource(clip.path.parent) as source:
        url = next(url for url in (f"{source.url}/clip.mp4?{number}" for number in range(99)) if _is_cut(url))
        second = urllib3.request("GET", url, headers={"Range": "bytes=2000-", "If-Range": '"2560"'})
        assert (second.status, second.data) == (206, CONTENT[2000:])
        assert second.headers["Content-Range"] == "bytes 2000-2559/2560"


def _is_cut(url: str) -> bool:
    """Request a file until it would be broken off no more, and return whether it was."""
    cut = False
    for _ in range(2):
        try:
            urllib3.request("GET", url, retries=False)
        except urllib3.exceptions.ProtocolError:
            cut = True
    return cut


def test_the_receiver_records_webhooks_and_refuses_those_with_a_wrong_signature(
    tmp_path: Path, history: History
) -> None:
    message = {"type": "job.ready", "data": {"job_id": "j1", "ended_at": "2026-11-28T12:00:00+00:00"}}
    body, moment = json.dumps(message), datetime.now(UTC)
    with WebhookEndpoint(history) as endpoint:
        endpoint.secrets["ada"] = SECRET
        headers = {"webhook-id": "d1", "webhook-timestamp": str(int(moment.timestamp()))}
        for signature in (Webhook(SECRET).sign("d1", moment, body), "v1,AAAA"):
            sent = {**headers, "webhook-signature": signature}
            urllib3.request("POST", endpoint.url_of("ada"), body=body, headers=sent)
    good, forged = (fact for fact in read_history(tmp_path / "history.jsonl"))
    assert (good["id"], good["to"], good["job"], good["type"], good["status"]) == ("d1", "ada", "j1", "job.ready", 204)
    assert (forged["type"], forged["status"]) == (None, 400)
