"""Holds every broker to the port's contract."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Broker, Delivery
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED, from_message, job_id_of

ROUTES = {VIDEO_UPLOADED: "video", MP3_READY: "mp3", CONVERSION_FAILED: "mp3"}
LEASE = 0.6
WHY = {"function": "convert", "status": 400, "detail": "no event"}

Opener = Callable[[], Broker]


@pytest.fixture(params=["sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Return a function that opens the same broker once more, as another process would."""
    return {"sqlite": lambda: SqliteBroker(tmp_path / "queue.db", ROUTES, lease_seconds=LEASE)}[request.param]


@pytest.fixture
def broker(reopen: Opener) -> Broker:
    return reopen()


def event(job_id: str, event_type: str = VIDEO_UPLOADED) -> CloudEvent:
    attributes = {"specversion": "1.0", "id": f"{job_id}.x", "source": "/soundlift", "type": event_type}
    return CloudEvent(attributes, {"job_id": job_id})


def take(broker: Broker, *queues: str, timeout: float = 10) -> Delivery:
    delivery = broker.receive(queues or ("video",), timeout)
    assert delivery is not None
    return delivery


def job_in(delivery: Delivery) -> str:
    return job_id_of(from_message(delivery.message))


def is_empty(broker: Broker, *queues: str) -> bool:
    return broker.receive(queues or ("video", "mp3"), 0) is None


def test_a_published_event_outlives_the_process_that_published_it(broker: Broker, reopen: Opener) -> None:
    broker.publish(event("one"))
    del broker
    delivery = take(reopen())
    assert (job_in(delivery), delivery.queue, delivery.attempt) == ("one", "video", 1)


def test_each_type_goes_to_its_queue(broker: Broker) -> None:
    for number, event_type in enumerate(ROUTES):
        broker.publish(event(str(number), event_type))
    assert job_in(take(broker, "video")) == "0"
    assert [job_in(take(broker, "mp3")) for _ in range(2)] == ["1", "2"]
    assert is_empty(broker)


def test_one_consumer_may_take_from_several_queues(broker: Broker) -> None:
    broker.publish(event("one"))
    broker.publish(event("two", MP3_READY))
    assert {take(broker, "video", "mp3").queue for _ in range(2)} == {"video", "mp3"}


def test_a_consumer_of_no_queue_gets_nothing(broker: Broker) -> None:
    broker.publish(event("one"))
    assert broker.receive([], 0) is None


def test_an_event_of_a_type_without_a_queue_is_an_error_and_is_not_kept(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable):
        broker.publish(event("one", "dev.soundlift.unheard.of"))
    assert is_empty(broker)


def test_messages_come_in_the_order_they_were_published(broker: Broker) -> None:
    names = [str(number) for number in range(50)]
    for name in names:
        broker.publish(event(name))
    assert [job_in(take(broker)) for _ in names] == names


def test_an_accepted_message_never_comes_again(broker: Broker, reopen: Opener, eventually: Any) -> None:
    broker.publish(event("one"))
    broker.accept(take(broker))
    over = time.monotonic() + 2 * LEASE
    other = reopen()
    assert eventually(lambda: is_empty(other) and time.monotonic() > over)


def test_a_message_without_a_verdict_is_delivered_again_when_its_consumer_died(broker: Broker, reopen: Opener) -> None:
    broker.publish(event("one"))
    assert take(broker).attempt == 1
    again = take(reopen(), timeout=10 * LEASE)
    assert (job_in(again), again.attempt) == ("one", 2)


def test_a_message_in_work_stays_with_a_consumer_that_keeps_receiving(broker: Broker, reopen: Opener) -> None:
    broker.publish(event("one"))
    delivery, other = take(broker), reopen()
    end = time.monotonic() + 3 * LEASE
    while time.monotonic() < end:
        assert broker.receive(["video"], LEASE / 20) is None
        assert is_empty(other)
    broker.accept(delivery)
    assert other.receive(["video"], 2 * LEASE) is None


def test_a_verdict_after_the_lease_has_gone_to_another_changes_nothing(broker: Broker, reopen: Opener) -> None:
    broker.publish(event("one"))
    late, other = take(broker), reopen()
    current = take(other, timeout=10 * LEASE)
    broker.accept(late)
    broker.retry(late, delay=0)
    broker.reject(late, WHY)
    assert list(other.list()) == []
    other.retry(current, delay=0)
    assert take(other).attempt == 3


def test_two_consumers_never_get_the_same_message(broker: Broker, reopen: Opener) -> None:
    names = {str(number) for number in range(60)}
    for name in names:
        broker.publish(event(name))
    taken: list[str] = []

    def consume() -> None:
        own = reopen()
        while delivery := own.receive(["video"], 0.1):
            taken.append(job_in(delivery))
            own.accept(delivery)

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(names)


def test_verdicts_may_come_from_other_threads(broker: Broker) -> None:
    broker.publish(event("one"))
    delivery = take(broker)
    thread = threading.Thread(target=broker.retry, args=(delivery,), kwargs={"delay": 0})
    thread.start()
    thread.join()
    assert take(broker).attempt == 2


def test_an_empty_queue_answers_none_when_the_time_is_over_and_not_much_later(broker: Broker) -> None:
    began = time.monotonic()
    assert broker.receive(["video"], 0.3) is None
    assert 0.3 <= time.monotonic() - began < 3


def test_a_message_published_while_a_consumer_waits_is_delivered_at_once(broker: Broker, reopen: Opener) -> None:
    threading.Timer(0.2, reopen().publish, [event("one")]).start()
    began = time.monotonic()
    assert job_in(take(broker)) == "one"
    assert time.monotonic() - began < 3


def test_a_retried_message_comes_after_its_delay_and_not_before(broker: Broker) -> None:
    broker.publish(event("one"))
    delivery = take(broker)
    began = time.monotonic()
    broker.retry(delivery, delay=0.5)
    assert is_empty(broker)
    assert take(broker).attempt == 2
    assert time.monotonic() - began >= 0.5


def test_a_delayed_message_holds_no_other_up(broker: Broker) -> None:
    broker.publish(event("slow"))
    broker.publish(event("quick"))
    broker.retry(take(broker), delay=30)
    assert job_in(take(broker)) == "quick"


def test_a_rejected_message_is_a_dead_letter_with_its_reason(broker: Broker, reopen: Opener) -> None:
    broker.publish(event("one"))
    broker.reject(take(broker), WHY)
    (letter,) = reopen().list()
    assert (letter.queue, dict(letter.reason)) == ("video", WHY)
    assert job_id_of(from_message(letter.message)) == "one"
    assert is_empty(broker)


def test_dead_letters_are_listed_oldest_first(broker: Broker) -> None:
    for name in ("one", "two", "three"):
        broker.publish(event(name))
        broker.reject(take(broker), {"detail": name})
    assert [letter.reason["detail"] for letter in broker.list()] == ["one", "two", "three"]


def test_a_replayed_dead_letter_is_delivered_as_new(broker: Broker) -> None:
    broker.publish(event("one"))
    broker.retry(take(broker), delay=0)
    broker.reject(take(broker), WHY)
    (letter,) = broker.list()
    assert broker.replay(letter.id)
    assert list(broker.list()) == []
    delivery = take(broker)
    assert (job_in(delivery), delivery.attempt) == ("one", 1)
    assert not broker.replay(letter.id)


def test_a_dropped_dead_letter_is_gone(broker: Broker) -> None:
    broker.publish(event("one"))
    broker.reject(take(broker), WHY)
    (letter,) = broker.list()
    assert broker.drop(letter.id)
    assert not broker.drop(letter.id)
    assert list(broker.list()) == []
    assert is_empty(broker)


@pytest.mark.parametrize("unknown", ["999", "", "no number", "1; DROP TABLE message"])
def test_an_unknown_dead_letter_is_neither_replayed_nor_dropped(broker: Broker, unknown: str) -> None:
    broker.publish(event("one"))
    assert not broker.replay(unknown)
    assert not broker.drop(unknown)
    assert job_in(take(broker)) == "one"


def test_a_message_that_waits_is_no_dead_letter_to_replay_or_drop(broker: Broker) -> None:
    broker.publish(event("one"))
    delivery = take(broker)
    assert not broker.replay(str(delivery.tag))
    assert not broker.drop(str(delivery.tag))


def test_publishers_at_once_lose_nothing(broker: Broker) -> None:
    start = threading.Barrier(6)

    def publish(number: int) -> None:
        start.wait()
        for count in range(10):
            broker.publish(event(f"{number}-{count}"))

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job_in(take(broker)) for _ in range(60)}) == 60


class TestSqlite:
    """Holds the embedded broker to what only a file can meet."""

    def test_a_file_that_cannot_be_used_is_unavailable_and_works_again_after(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        broker = SqliteBroker(folder / "queue.db", ROUTES)
        for use in (lambda: broker.publish(event("one")), broker.check, lambda: broker.receive(["video"], 0)):
            with pytest.raises(BrokerUnavailable) as caught:
                use()
            assert str(tmp_path) not in caught.value.detail
        folder.mkdir()
        broker.check()
        broker.publish(event("one"))
        assert job_in(take(broker)) == "one"

    def test_a_file_that_is_no_database_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "queue.db").write_bytes(b"no database" * 1000)
        broker = SqliteBroker(tmp_path / "queue.db", ROUTES)
        with pytest.raises(BrokerUnavailable):
            broker.publish(event("one"))

    def test_messages_of_the_same_instant_keep_their_order(self, tmp_path: Path) -> None:
        broker = SqliteBroker(tmp_path / "queue.db", ROUTES)
        for name in "abcdef":
            broker.publish(event(name))
        with sqlite3.connect(tmp_path / "queue.db") as connection:
            connection.execute("UPDATE message SET visible_at = 1")
        connection.close()
        assert [job_in(take(broker)) for _ in "abcdef"] == list("abcdef")
