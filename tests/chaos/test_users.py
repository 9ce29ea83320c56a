"""What the users of a run do."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.chaos.history import History, read_history
from tests.chaos.users.plan import OPTIONS, Then, Way, plan_upload
from tests.chaos.users.requests import Answer, form_body, raw_body, request

CLIPS = 50
REFUSAL = (
    b"HTTP/1.1 503 Busy\r\nContent-Type: application/problem+json\r\nContent-Length: 15\r\n\r\n"
    b'{"code":"full"}'
)  # fmt: skip


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


class Receiver:
    """A server that reads one request up to some bytes, then sends an answer and closes the connection."""

    def __init__(self, answer: bytes, until: bytes) -> None:
        self.received = b""
        self._answer, self._until = answer, until
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with self._listener:
            client, _ = self._listener.accept()
        with client:
            while self._until not in self.received and (data := client.recv(1 << 16)):
                self.received += data
            client.sendall(self._answer)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass


def test_the_same_seed_and_number_make_the_same_upload() -> None:
    plans = [plan_upload(1, number, CLIPS) for number in range(100)]
    assert plans == [plan_upload(1, number, CLIPS) for number in range(100)]
    assert plans != [plan_upload(2, number, CLIPS) for number in range(100)]


def test_a_run_has_every_clip_every_way_every_action_and_every_option() -> None:
    plans = [plan_upload(3, number, CLIPS) for number in range(300)]
    assert {plan.clip for plan in plans} == set(range(CLIPS))
    assert {plan.way for plan in plans} == set(Way)
    assert {plan.then for plan in plans} == set(Then)
    assert [options for options, _ in OPTIONS.values() if options not in [plan.options for plan in plans]] == []


def test_each_upload_has_a_name_of_its_own_and_each_keyed_one_a_key_of_its_own() -> None:
    plans = [plan_upload(4, number, CLIPS) for number in range(300)]
    keys = [plan.key for plan in plans if plan.key]
    assert len({plan.name for plan in plans}) == len(plans)
    assert len(set(keys)) == len(keys) == sum(plan.way.is_keyed for plan in plans)


def test_a_raw_body_arrives_whole_with_its_length_or_in_chunks(video: Path) -> None:
    content, end = video.read_bytes(), b"\r\n0\r\n\r\n"
    plain, chunked = Receiver(b"HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n", content), Receiver(b"", end)
    assert request(plain.url, "POST", "/upload", {"A": "b"}, raw_body(video)).status == 202
    assert plain.received.endswith(b"\r\n\r\n" + content)
    request(chunked.url, "POST", "/upload", {}, raw_body(video, chunked=True))
    assert b"Transfer-Encoding: chunked" in chunked.received
    assert chunked.received.endswith(end)


def test_a_form_has_its_announced_length(video: Path) -> None:
    body = form_body(video, "a.mp4", "video/mp4", {"format": "m4a"})
    content = b"".join(body.blocks)
    assert len(content) == body.length
    assert video.read_bytes() in content


def test_an_aborted_upload_sends_only_a_part(video: Path) -> None:
    receiver = Receiver(b"", video.read_bytes())
    assert request(receiver.url, "POST", "/upload", {}, raw_body(video, share=0.5)) == Answer(None, error="aborted")
    receiver.thread.join()
    content = receiver.received.partition(b"\r\n\r\n")[2]
    assert content == video.read_bytes()[: video.stat().st_size // 2]


def test_an_answer_before_the_end_of_the_body_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(20_000_000))
    answer = request(Receiver(REFUSAL, b"\r\n\r\n").url, "POST", "/upload", {}, raw_body(large))
    assert (answer.status, answer.code) == (503, "full")


def test_a_lost_answer_is_an_answer_without_a_status(video: Path) -> None:
    answer = request(Receiver(b"", video.read_bytes()).url, "POST", "/upload", {}, raw_body(video))
    assert answer.status is None
    assert answer.error


def test_facts_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.record("upload", upload="u1", file_name="♫")
    history.record("response", upload="u1", status=202)
    history.close()
    facts = list(read_history(tmp_path / "history.jsonl"))
    assert [fact["kind"] for fact in facts] == ["upload", "response"]
    assert facts[0]["file_name"] == "♫"
    assert 0 <= facts[0]["at"] <= facts[1]["at"]
