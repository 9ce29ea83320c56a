"""What every broker does, to who publishes, who consumes and who looks after dead letters.

An adapter joins by a parameter of `maker`, and a fixture in conftest.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent

from devservers.knative_broker import Served
from soundlift.common.broker import Broker, Delivery, open_broker, open_publisher
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable, SettingError
from soundlift.common.events import VIDEO_UPLOADED, from_message, to_message
from soundlift.common.settings import Settings
from tests.factories.brokers import ROUTES, Maker

QUEUES = ("video", "mp3")
REASON = {"function": "convert", "status": 422, "detail": "no", "attempts": 3, "at": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(params=["sqlite", "quorum", "classic"])
def maker(request: pytest.FixtureRequest) -> Maker:
    made: Maker = request.getfixturevalue(f"{request.param}_maker")
    return made


@pytest.fixture
def broker(maker: Maker) -> Broker:
    return maker.connect()


def _event(number: int = 1, event_type: str = VIDEO_UPLOADED) -> CloudEvent:
    attributes = {"specversion": "1.0", "id": str(number), "source": "/test", "type": event_type}
    return CloudEvent({**attributes, "datacontenttype": "application/json"}, {"job_id": str(number)})


def _receive(broker: Broker, queues: tuple[str, ...] = QUEUES, timeout: float = 5) -> Delivery:
    delivery = broker.receive(queues, timeout)
    assert delivery is not None
    return delivery


def _id(delivery: Delivery) -> str:
    return from_message(delivery.message).get_id()


def test_an_event_arrives_in_the_queue_of_its_type(broker: Broker) -> None:
    events = [_event(number, event_type) for number, event_type in enumerate(ROUTES)]
    for event in events:
        broker.publish(event)
    assert [_id(_receive(broker, ("mp3",))) for _ in range(2)] == ["1", "2"]
    delivery = _receive(broker, ("video",))
    event = from_message(delivery.message)
    assert (delivery.queue, delivery.attempt) == ("video", 1)
    assert delivery.message == to_message(events[0])
    assert (event.get_type(), event.get_data()) == (VIDEO_UPLOADED, {"job_id": "0"})


def test_what_was_published_survives_the_publisher(maker: Maker) -> None:
    maker.connect().publish(_event())
    assert _id(_receive(maker.connect())) == "1"


def test_an_event_of_a_type_without_a_queue_is_not_taken(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable, match=r"type dev\.soundlift\.unknown"):
        broker.publish(_event(event_type="dev.soundlift.unknown"))


def test_a_queue_nobody_asks_for_is_left_alone(broker: Broker) -> None:
    broker.publish(_event())
    assert broker.receive(("mp3",), 0) is None
    assert broker.receive((), 0) is None


def test_waiting_for_a_message_ends_when_one_comes(maker: Maker) -> None:
    with ThreadPoolExecutor() as pool:
        delivery = pool.submit(_receive, maker.connect(), QUEUES, 30)
        maker.connect().publish(_event())
        assert _id(delivery.result(timeout=5)) == "1"


def test_what_is_accepted_is_done(maker: Maker) -> None:
    broker = maker.connect()
    broker.publish(_event())
    broker.accept(_receive(broker))
    assert maker.connect().receive(QUEUES, 2 * maker.lease_seconds) is None


def test_no_message_goes_to_two_consumers(maker: Maker) -> None:
    publisher = maker.connect()
    for number in range(60):
        publisher.publish(_event(number))

    def take_all(broker: Broker) -> list[str]:
        taken = []
        while delivery := broker.receive(QUEUES, 0.1):
            taken.append(_id(delivery))
            broker.accept(delivery)
        return taken

    consumers = [maker.connect_undisturbed() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = [one for all_of_one in pool.map(take_all, consumers) for one in all_of_one]
    assert sorted(taken, key=int) == [str(number) for number in range(60)]


def test_what_a_dead_consumer_had_is_delivered_again_and_counted(maker: Maker) -> None:
    dying = maker.connect()
    dying.publish(_event())
    _receive(dying)
    maker.kill(dying)
    again = _receive(maker.connect(), timeout=10 * maker.lease_seconds)
    assert (_id(again), again.attempt) == ("1", 2)


def test_what_a_living_consumer_has_stays_its_own(maker: Maker) -> None:
    living, other = maker.connect_undisturbed(), maker.connect()
    living.publish(_event())
    delivery = _receive(living)
    deadline = time.monotonic() + 3 * maker.lease_seconds
    while time.monotonic() < deadline:
        assert living.receive((), 0.01) is None
        assert other.receive(QUEUES, 0.01) is None
    living.accept(delivery)


def test_a_retried_message_comes_after_its_delay_and_not_before(broker: Broker) -> None:
    broker.publish(_event())
    first = _receive(broker)
    began = time.monotonic()
    broker.retry(first, delay=0.3)
    assert _receive(broker).attempt == 2
    assert time.monotonic() - began > 0.29


def test_a_rejected_message_is_a_dead_letter_with_its_reason(maker: Maker) -> None:
    broker = maker.connect()
    broker.publish(_event())
    broker.reject(_receive(broker), REASON)
    assert maker.connect().receive(QUEUES, 2 * maker.lease_seconds) is None
    (letter,) = maker.connect().list()
    assert (letter.queue, dict(letter.reason)) == ("video", REASON)
    assert from_message(letter.message).get_id() == "1"


def test_a_message_that_was_rejected_belongs_to_nobody_and_no_second_verdict_changes_it(broker: Broker) -> None:
    broker.publish(_event())
    delivery = _receive(broker)
    broker.reject(delivery, REASON)
    broker.accept(delivery)
    broker.retry(delivery, delay=0)
    broker.reject(delivery, {**REASON, "detail": "another"})
    assert [dict(letter.reason) for letter in broker.list()] == [REASON]
    assert broker.receive(QUEUES, 0) is None


def test_a_message_that_was_put_off_belongs_to_nobody_and_no_second_verdict_changes_it(broker: Broker) -> None:
    broker.publish(_event())
    delivery = _receive(broker)
    broker.retry(delivery, delay=0.3)
    broker.accept(delivery)
    broker.reject(delivery, REASON)
    assert list(broker.list()) == []
    assert _receive(broker).attempt == 2


def test_a_replayed_dead_letter_is_as_new(broker: Broker) -> None:
    broker.publish(_event())
    broker.reject(_receive(broker), REASON)
    (letter,) = broker.list()
    assert broker.replay(letter.id)
    assert not broker.replay(letter.id)
    assert list(broker.list()) == []
    assert _receive(broker).attempt == 1


def test_a_dropped_dead_letter_is_gone(broker: Broker) -> None:
    broker.publish(_event())
    broker.reject(_receive(broker), REASON)
    (letter,) = broker.list()
    assert broker.drop(letter.id)
    assert not broker.drop(letter.id)
    assert (list(broker.list()), broker.receive(QUEUES, 0)) == ([], None)


def test_a_message_that_waits_is_no_dead_letter(broker: Broker) -> None:
    broker.publish(_event())
    assert list(broker.list()) == []
    assert not broker.drop("1")
    assert not broker.replay("1")
    assert _id(_receive(broker)) == "1"


def test_a_verdict_after_another_consumer_took_the_message_changes_nothing(maker: Maker) -> None:
    slow, quick = maker.connect(), maker.connect()
    slow.publish(_event())
    late = _receive(slow)
    maker.kill(slow)
    taken = _receive(quick, timeout=10 * maker.lease_seconds)
    slow.reject(late, REASON)
    slow.retry(late, delay=0)
    slow.accept(late)
    assert list(quick.list()) == []
    quick.retry(taken, delay=0)
    assert _receive(quick).attempt == 3


def test_a_queue_in_a_folder_that_is_not_there_is_unavailable_until_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    broker = SqliteBroker(folder / "queue.db", ROUTES)
    for use in (
        broker.check,
        lambda: broker.publish(_event()),
        lambda: broker.receive(QUEUES, 0),
        lambda: list(broker.list()),
    ):
        with pytest.raises(BrokerUnavailable) as refused:
            use()
        assert refused.value.evidence == {"cause": "unable to open database file"}
    folder.mkdir()
    broker.check()
    broker.publish(_event())
    assert _id(_receive(broker)) == "1"


def test_a_file_of_queues_and_their_names_are_what_the_settings_say(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    settings = {"BROKER_URL": f"sqlite:///{file}", "VIDEO_QUEUE": "films", "MP3_QUEUE": "songs"}
    with closing(open_broker(Settings.from_environment(settings))) as broker:
        for number, event_type in enumerate(ROUTES):
            broker.publish(_event(number, event_type))
        assert _id(_receive(broker, ("films",))) == "0"
        assert [_id(_receive(broker, ("songs",))) for _ in range(2)] == ["1", "2"]
    assert file.exists()


def test_events_go_to_a_sink_where_the_address_is_one(tmp_path: Path) -> None:
    taken: list[dict[str, str]] = []

    def sink(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        taken.append(environ)
        start_response("202 Accepted", [])
        return []

    unused = SqliteBroker(tmp_path / "queue.db", ROUTES)
    with Served(sink) as served:
        address = f"{served.url}?then=amqp://another"
        open_publisher(Settings.from_environment({"BROKER_URL": address}), lambda: unused).publish(_event())
    assert [(one["REQUEST_METHOD"], one["QUERY_STRING"]) for one in taken] == [("POST", "then=amqp://another")]
    assert unused.receive(QUEUES, 0) is None


@pytest.mark.parametrize(
    "url", ["sqlite:///queue.db", "amqp://127.0.0.1", "amqps://127.0.0.1"], ids=["file", "amqp", "amqps"]
)
def test_events_go_to_the_broker_itself_where_the_address_is_no_sink(tmp_path: Path, url: str) -> None:
    broker = SqliteBroker(tmp_path / "queue.db", ROUTES)
    assert open_publisher(Settings.from_environment({"BROKER_URL": url}), lambda: broker) is broker


@pytest.mark.parametrize("url", ["http://sink", "https://sink"])
def test_an_address_of_a_sink_is_none_to_receive_from(url: str) -> None:
    with pytest.raises(SettingError, match="BROKER_URL is a sink") as refused:
        open_broker(Settings.from_environment({"BROKER_URL": url}))
    assert refused.value.evidence == {"setting": "BROKER_URL"}


@pytest.mark.parametrize("url", ["queue.db", "amqp://", "sqlite:queue.db", "sqlite://queue.db", "redis:///x"])
def test_an_address_of_no_broker_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match=r"BROKER_URL must be .*amqps?://") as refused:
        open_broker(Settings.from_environment({"BROKER_URL": url}))
    assert refused.value.evidence == {"setting": "BROKER_URL"}
