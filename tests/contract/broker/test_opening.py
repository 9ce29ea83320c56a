"""BROKER_URL and the names of the queues decide which broker is opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from devservers.knative_broker import WsgiServer
from soundlift.common.broker import open_broker, open_publisher
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable, SettingError
from soundlift.common.settings import Settings
from tests.contract.broker.deliveries import QUEUES, event, id_of, receive
from tests.factories.brokers import ROUTES


def test_a_queue_file_is_unavailable_until_its_folder_exists(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    broker = SqliteBroker(folder / "queue.db", ROUTES)
    for use in (
        broker.check,
        lambda: broker.publish(event()),
        lambda: broker.receive(QUEUES, 0),
        lambda: list(broker.list()),
    ):
        with pytest.raises(BrokerUnavailable) as refused:
            use()
        assert refused.value.evidence == {"cause": "unable to open database file"}
    folder.mkdir()
    broker.check()
    broker.publish(event())
    assert id_of(receive(broker)) == "1"


def test_the_settings_decide_the_queue_file_and_the_names_of_queues(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    settings = {"BROKER_URL": f"sqlite:///{file}", "VIDEO_QUEUE": "films", "MP3_QUEUE": "songs"}
    with closing(open_broker(Settings.from_environment(settings))) as broker:
        for number, event_type in enumerate(ROUTES):
            broker.publish(event(number, event_type))
        assert id_of(receive(broker, ("films",))) == "0"
        assert [id_of(receive(broker, ("songs",))) for _ in range(2)] == ["1", "2"]
    assert file.exists()


def test_the_publisher_sends_to_a_sink_if_the_url_is_one(tmp_path: Path) -> None:
    taken: list[dict[str, str]] = []

    def sink(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        taken.append(environ)
        start_response("202 Accepted", [])
        return []

    unused = SqliteBroker(tmp_path / "queue.db", ROUTES)
    with WsgiServer(sink) as served:
        address = f"{served.url}?then=amqp://another"
        open_publisher(Settings.from_environment({"BROKER_URL": address}), lambda: unused).publish(event())
    assert [(one["REQUEST_METHOD"], one["QUERY_STRING"]) for one in taken] == [("POST", "then=amqp://another")]
    assert unused.receive(QUEUES, 0) is None


@pytest.mark.parametrize(
    "url", ["sqlite:///queue.db", "amqp://127.0.0.1", "amqps://127.0.0.1"], ids=["file", "amqp", "amqps"]
)
def test_the_publisher_is_the_broker_itself_if_the_url_is_not_a_sink(tmp_path: Path, url: str) -> None:
    broker = SqliteBroker(tmp_path / "queue.db", ROUTES)
    assert open_publisher(Settings.from_environment({"BROKER_URL": url}), lambda: broker) is broker


@pytest.mark.parametrize("url", ["http://sink", "https://sink"])
def test_a_sink_cannot_be_opened_as_a_broker(url: str) -> None:
    with pytest.raises(SettingError, match="BROKER_URL names a sink") as refused:
        open_broker(Settings.from_environment({"BROKER_URL": url}))
    assert refused.value.evidence == {"setting": "BROKER_URL"}


@pytest.mark.parametrize("url", ["queue.db", "amqp://", "sqlite:queue.db", "sqlite://queue.db", "redis:///x"])
def test_any_other_url_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match=r"BROKER_URL must be .*amqps?://") as refused:
        open_broker(Settings.from_environment({"BROKER_URL": url}))
    assert refused.value.evidence == {"setting": "BROKER_URL"}
