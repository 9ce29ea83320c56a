"""What only RabbitMQ can meet: a node that dies, hangs, raises an alarm, or has queues of somebody else's."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pika
import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from devservers.certificates import Authority
from devservers.forwarder import Forwarder
from devservers.ports import free_port
from devservers.rabbitmq import RabbitMq, url_through
from devservers.waiting import wait_for
from soundlift.common.broker import DELAYS, Delivery, open_broker, routes_of
from soundlift.common.broker.rabbitmq import PATIENCE_SECONDS, RabbitMqBroker
from soundlift.common.broker.rabbitmq.addresses import TlsFiles, read_addresses
from soundlift.common.broker.rabbitmq.topology import DELIVERY_LIMIT, EVENTS, Topology, dead_name, delay_name
from soundlift.common.errors import BrokerUnavailable, SettingError
from soundlift.common.events import VIDEO_UPLOADED, from_message
from soundlift.common.settings import Settings
from tests.factories.availability import is_usable
from tests.factories.brokers import ROUTES

TOPOLOGY = Topology(ROUTES, (0.3, 2), "quorum")
NO_FILES = TlsFiles()
REASON = {"function": "convert", "status": 422, "detail": "no", "attempts": 3, "at": "2026-01-01T00:00:00+00:00"}
Connect = Callable[..., RabbitMqBroker]
Verdict = Callable[[RabbitMqBroker, Delivery], None]


@pytest.fixture
def connect(rabbitmq_node: RabbitMq) -> Iterator[Connect]:
    """Return a function that connects to the node, which is up and empty again at the end."""
    with ExitStack() as stack:
        stack.callback(rabbitmq_node.forget, TOPOLOGY)

        def connect(
            urls: str = rabbitmq_node.url,
            topology: Topology = TOPOLOGY,
            files: TlsFiles = NO_FILES,
            prefetch: int = 4,
            patience: float = 30,
        ) -> RabbitMqBroker:
            broker = RabbitMqBroker(read_addresses(urls, files), topology, prefetch=prefetch, patience=patience)
            return stack.enter_context(closing(broker))

        yield connect


@pytest.fixture
def channel(rabbitmq_node: RabbitMq) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    """Return a channel as another program has it."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_node.url)) as connection:
        yield connection.channel()


def _event(number: int = 1) -> CloudEvent:
    return CloudEvent({"specversion": "1.0", "id": str(number), "source": "/test", "type": VIDEO_UPLOADED}, {})


def _receive(broker: RabbitMqBroker, timeout: float = 10) -> Delivery:
    delivery = broker.receive(["video"], timeout)
    assert delivery is not None
    return delivery


def _id(delivery: Delivery) -> str:
    return from_message(delivery.message).get_id()


def test_what_was_confirmed_survives_the_death_of_the_node_and_everybody_finds_back(
    rabbitmq_node: RabbitMq, connect: Connect
) -> None:
    # Its queues stay: RabbitMQ 3.10 breaks where one is deleted while it still writes what it has recovered of it.
    url = rabbitmq_node.new_virtual_host()
    broker, consumer = connect(url), connect(url)
    for number in range(20):
        broker.publish(_event(number))
    assert _id(_receive(consumer)) == "0"
    rabbitmq_node.server.kill()
    try:
        wait_for(lambda: not is_usable(broker), "the connection is lost")
        for use in (lambda: broker.publish(_event(20)), lambda: list(broker.list())):
            with pytest.raises(BrokerUnavailable):
                use()
    finally:
        rabbitmq_node.server.start(seconds=100)
    wait_for(lambda: is_usable(broker), "the publisher is connected again")
    broker.publish(_event(20))
    numbers = set()
    while len(numbers) < 21:
        try:
            delivery = _receive(consumer)
        except BrokerUnavailable:
            continue
        numbers.add(int(_id(delivery)))
        consumer.accept(delivery)


def test_nobody_waits_long_for_a_node_that_hangs_nor_twice(rabbitmq_forwarder: Forwarder, connect: Connect) -> None:
    broker = connect(url_through(rabbitmq_forwarder), patience=PATIENCE_SECONDS)
    wait_for(lambda: is_usable(broker), "the node has been reached")
    rabbitmq_forwarder.hang()
    with pytest.raises(BrokerUnavailable, match="did not confirm"):
        broker.publish(_event())
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(BrokerUnavailable, match="lately"):
            broker.publish(_event())
    assert time.monotonic() - began < 1
    rabbitmq_forwarder.restore()
    wait_for(lambda: is_usable(broker), "the late confirm has closed the circuit")


def test_nobody_waits_for_a_node_that_is_not_there(connect: Connect) -> None:
    broker = connect(f"amqp://127.0.0.1:{free_port()}", patience=PATIENCE_SECONDS)
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(BrokerUnavailable):
            broker.publish(_event())
    assert time.monotonic() - began < 5


def test_a_node_that_is_not_there_is_told_with_the_cause_of_the_system(connect: Connect) -> None:
    broker = connect(f"amqp://127.0.0.1:{free_port()},amqp://127.0.0.1:{free_port()}")
    for use in (broker.check, lambda: list(broker.list())):
        with pytest.raises(BrokerUnavailable) as refused:
            use()
        assert refused.value.detail.startswith("RabbitMQ does not answer. ")
        assert "Connection refused" in refused.value.detail


def test_of_a_node_that_is_away_the_log_tells_once(connect: Connect) -> None:
    with Forwarder(free_port()) as nobody_behind, capture_logs() as logs:
        broker = connect(url_through(nobody_behind))
        wait_for(lambda: not is_usable(broker) and nobody_behind.accepted > 2, "it has been tried several times")
        assert [line["event"] for line in logs] == ["broker_unavailable"]


def test_a_node_that_has_raised_an_alarm_counts_as_away_until_it_is_over(
    rabbitmq_node: RabbitMq, connect: Connect
) -> None:
    broker = connect()
    broker.check()
    rabbitmq_node.control("set_vm_memory_high_watermark", "0.0000001")
    try:
        with pytest.raises(BrokerUnavailable):
            broker.publish(_event())
        with pytest.raises(BrokerUnavailable, match="takes no messages now"):
            broker.check()
    finally:
        rabbitmq_node.control("set_vm_memory_high_watermark", "0.4")
    wait_for(lambda: is_usable(broker), "the alarm is over")
    broker.publish(_event(2))


def test_one_channel_serves_many_threads(connect: Connect) -> None:
    broker, consumer = connect(), connect(prefetch=500)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(broker.publish, map(_event, range(500))))
    assert sorted(int(_id(_receive(consumer))) for _ in range(500)) == list(range(500))


def _retry(broker: RabbitMqBroker, delivery: Delivery) -> None:
    broker.retry(delivery, delay=0.3)


def _reject(broker: RabbitMqBroker, delivery: Delivery) -> None:
    broker.reject(delivery, REASON)


def _take_again(broker: RabbitMqBroker) -> bool:
    delivery = broker.receive(["video"], 0.1)
    if delivery is not None:
        broker.accept(delivery)
    return delivery is not None


def _has_dead_letter(broker: RabbitMqBroker) -> bool:
    return any(broker.list())


def test_an_event_that_a_queue_refuses_is_not_published_and_the_next_is(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broker = connect()
    broker.check()
    full = {"x-max-length": 0, "x-overflow": "reject-publish"}
    name = channel.queue_declare("", exclusive=True, arguments=full).method.queue
    channel.queue_bind(name, EVENTS, routing_key=VIDEO_UPLOADED)
    with pytest.raises(BrokerUnavailable, match="refused the message"):
        broker.publish(_event())
    channel.queue_delete(name)
    broker.publish(_event(2))


@pytest.mark.parametrize(("verdict", "queue"), [(_retry, delay_name(0.3)), (_reject, dead_name("video"))])
def test_a_message_that_could_not_be_sent_on_is_not_acknowledged(
    connect: Connect,
    channel: pika.adapters.blocking_connection.BlockingChannel,
    verdict: Verdict,
    queue: str,
) -> None:
    dying, other = connect(), connect()
    dying.publish(_event())
    delivery = _receive(dying)
    channel.queue_delete(queue)
    with pytest.raises(BrokerUnavailable, match="has no queue"):
        verdict(dying, delivery)
    dying.close()
    assert _receive(other).attempt == 2


@pytest.mark.parametrize(
    ("verdict", "queue", "has_arrived"),
    [(_retry, delay_name(0.3), _take_again), (_reject, dead_name("video"), _has_dead_letter)],
)
def test_a_message_that_could_not_be_sent_on_is_settled_once_it_can_be(
    connect: Connect,
    channel: pika.adapters.blocking_connection.BlockingChannel,
    verdict: Verdict,
    queue: str,
    has_arrived: Callable[[RabbitMqBroker], bool],
) -> None:
    broker, other = connect(), connect()
    broker.publish(_event())
    delivery = _receive(broker)
    channel.queue_delete(queue)
    with pytest.raises(BrokerUnavailable, match="has no queue"):
        verdict(broker, delivery)

    def settle() -> bool:
        try:
            verdict(broker, delivery)
        except BrokerUnavailable:
            return False
        return True

    wait_for(settle, "the queue is declared again")
    wait_for(lambda: has_arrived(broker), "the message has arrived")
    broker.close()
    assert other.receive(["video"], 0.5) is None


def test_a_queue_that_somebody_deleted_is_declared_again(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broker, consumer = connect(), connect()
    assert consumer.receive(["video"], 0) is None
    broker.check()
    channel.queue_delete("video")

    def publish() -> bool:
        try:
            broker.publish(_event())
        except BrokerUnavailable:
            return False
        return True

    def receive() -> Delivery | None:
        try:
            return consumer.receive(["video"], 0.1)
        except BrokerUnavailable:
            return None

    wait_for(publish, "an event finds a queue")
    assert _id(wait_for(receive, "the consumer has the event")) == "1"


@pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "quorum", "x-max-length": 5}])
def test_a_queue_of_other_properties_is_named_with_the_difference(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel, arguments: dict[str, object]
) -> None:
    channel.queue_declare("video", durable=True, arguments=arguments)
    broker = connect()
    for use in (broker.check, lambda: broker.publish(_event()), lambda: broker.receive(["video"], 0)):
        with pytest.raises(BrokerUnavailable, match=r"inequivalent arg 'x-.*' for queue 'video'.*QUEUE_TYPE"):
            use()
    with pytest.raises(BrokerUnavailable, match="for queue 'video'"):
        list(broker.list())
    channel.queue_delete("video")
    wait_for(lambda: is_usable(broker), "the queue is declared")


def test_a_plain_durable_queue_of_another_program_is_used_as_it_is_by_setting(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    channel.queue_declare("video", durable=True)
    channel.basic_publish("", "video", b'{"video_fid": "1"}')
    broker = connect(topology=Topology(ROUTES, (0.3, 2), "classic"))
    assert _receive(broker).message.body == b'{"video_fid": "1"}'


CONFIRMED = {"x-dead-letter-exchange": "", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
QUORUM = {"x-queue-type": "quorum"}
REPLICATED = {
    "video": {**QUORUM, "x-delivery-limit": 20, **CONFIRMED, "x-dead-letter-routing-key": "video.dead"},
    "mp3": {**QUORUM, "x-delivery-limit": 20, **CONFIRMED, "x-dead-letter-routing-key": "mp3.dead"},
    "video.dead": {**QUORUM, "x-delivery-limit": 2**31 - 1},
    "mp3.dead": {**QUORUM, "x-delivery-limit": 2**31 - 1},
    "soundlift.delay.0.3s": {**QUORUM, "x-message-ttl": 300, **CONFIRMED},
    "soundlift.delay.2s": {**QUORUM, "x-message-ttl": 2000, **CONFIRMED},
}
PLAIN: dict[str, dict[str, object]] = {
    "video": {},
    "mp3": {},
    "video.dead": {},
    "mp3.dead": {},
    "soundlift.delay.0.3s": {"x-message-ttl": 300, "x-dead-letter-exchange": ""},
    "soundlift.delay.2s": {"x-message-ttl": 2000, "x-dead-letter-exchange": ""},
}


@pytest.mark.parametrize(
    ("queue_type", "queues"), [("quorum", REPLICATED), ("classic", PLAIN)], ids=["replicated", "plain"]
)
def test_what_is_declared_stays_the_same_or_an_update_would_be_refused_its_own_queues(
    connect: Connect,
    channel: pika.adapters.blocking_connection.BlockingChannel,
    queue_type: str,
    queues: dict[str, dict[str, object]],
) -> None:
    for queue, arguments in queues.items():
        channel.queue_declare(queue, durable=True, arguments=arguments)
    exchanges = {EVENTS: "topic", delay_name(0.3): "fanout", delay_name(2): "fanout"}
    for exchange, exchange_type in exchanges.items():
        channel.exchange_declare(exchange, exchange_type=exchange_type, durable=True)
    connect(topology=Topology(ROUTES, (0.3, 2), queue_type)).check()


def test_a_short_delay_is_not_held_up_by_a_long_one_before_it(connect: Connect) -> None:
    broker = connect()
    for number in (1, 2):
        broker.publish(_event(number))
    for delay in (2, 0.3):
        broker.retry(_receive(broker), delay=delay)
    assert [_id(_receive(broker)) for _ in range(2)] == ["2", "1"]


def test_a_dead_letter_says_in_its_headers_why_it_is_one(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broker = connect()
    broker.publish(_event())
    broker.reject(_receive(broker), REASON)
    _, properties, body = channel.basic_get("video.dead", auto_ack=True)
    told = {name: properties.headers[f"soundlift-{name}"] for name in REASON}
    assert (told, properties.message_id, properties.delivery_mode) == (REASON, "1", 2)
    assert properties.content_type == "application/cloudevents+json"
    assert b'"id": "1"' in body


def test_what_rabbitmq_gives_up_on_itself_is_a_dead_letter(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broker = connect()
    broker.publish(_event())
    for _ in range(DELIVERY_LIMIT + 1):
        wait_for(lambda: _nack(channel), "the message has been delivered")
    (letter,) = wait_for(lambda: list(broker.list()), "it is a dead letter")
    assert (letter.queue, letter.reason["detail"]) == ("video", "RabbitMQ gave up on it: delivery_limit.")
    assert broker.replay(letter.id)
    assert _receive(broker).attempt == 1


def test_what_another_program_put_among_the_dead_letters_has_an_id_that_stays(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broker = connect()
    broker.check()
    put = [(b"a", None), (b"b", None), (b"a", "7")]
    for body, message_id in put:
        channel.basic_publish("", dead_name("video"), body, pika.BasicProperties(message_id=message_id))
    letters = wait_for(lambda: (found := list(broker.list()))[2:] and found, "all are there")
    assert [letter.message.body for letter in letters] == [body for body, _ in put]
    assert [dict(letter.reason) for letter in letters] == 3 * [{"detail": "RabbitMQ gave up on it: unknown."}]
    assert len({letter.id for letter in letters}) == 3
    assert broker.drop(letters[0].id)
    assert list(broker.list()) == letters[1:]


def _nack(channel: pika.adapters.blocking_connection.BlockingChannel) -> bool:
    method, _, _ = channel.basic_get("video")
    if method is not None:
        channel.basic_nack(method.delivery_tag, requeue=True)
    return method is not None


class WithoutVideo(Topology):
    """A topology whose queue is deleted again as soon as it is declared."""

    def declare(self, channel: Any) -> None:
        super().declare(channel)
        channel.queue_delete("video")


def test_a_dead_letter_that_its_queue_does_not_take_back_stays_a_dead_letter(connect: Connect) -> None:
    broker = connect()
    broker.publish(_event())
    broker.reject(_receive(broker), REASON)
    (letter,) = broker.list()
    with pytest.raises(BrokerUnavailable):
        connect(topology=WithoutVideo(ROUTES, (0.3, 2), "quorum")).replay(letter.id)
    (left,) = wait_for(lambda: list(broker.list()), "it is among the dead letters again")
    assert left == letter


def test_looking_at_dead_letters_wears_them_out_as_little_as_it_loses_them(connect: Connect) -> None:
    broker = connect()
    for number in range(5):
        broker.publish(_event(number))
        broker.reject(_receive(broker), REASON)
    for _ in range(DELIVERY_LIMIT + 2):
        assert len(list(broker.list())) == 5


def test_what_was_in_work_when_its_connection_broke_is_delivered_again_and_late_verdicts_do_nothing(
    rabbitmq_forwarder: Forwarder, connect: Connect
) -> None:
    broken, other = connect(url_through(rabbitmq_forwarder)), connect()
    for number in range(3):
        other.publish(_event(number))
    accepted, retried, rejected = (_receive(broken) for _ in range(3))
    rabbitmq_forwarder.drop_connections()
    again = [_receive(other) for _ in range(3)]
    assert [one.attempt for one in again] == [2, 2, 2]
    broken.accept(accepted)
    broken.retry(retried, delay=0.3)
    broken.reject(rejected, REASON)
    for one in again:
        other.accept(one)
    assert other.receive(["video"], 1) is None
    assert list(other.list()) == []


def test_what_had_arrived_in_advance_when_its_connection_broke_is_had_by_its_next_consumer_alone(
    rabbitmq_forwarder: Forwarder, connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broken, other = connect(url_through(rabbitmq_forwarder)), connect()
    for number in range(2):
        other.publish(_event(number))
    _receive(broken)
    wait_for(lambda: channel.queue_declare("video", passive=True).method.message_count == 0, "both are on their way")
    rabbitmq_forwarder.cut()
    again = [_receive(other) for _ in range(2)]
    rabbitmq_forwarder.restore()

    def receive() -> list[Delivery | None]:
        try:
            return [broken.receive(["video"], 0)]
        except BrokerUnavailable:
            return []

    assert wait_for(receive, "the first consumer is connected again") == [None]
    assert {_id(one) for one in again} == {"0", "1"}


def test_a_second_verdict_does_nothing(connect: Connect) -> None:
    broker = connect()
    broker.publish(_event())
    delivery = _receive(broker)
    broker.accept(delivery)
    broker.accept(delivery)
    broker.retry(delivery, delay=0)
    assert broker.receive(["video"], 0.5) is None
    broker.publish(_event(2))
    assert _receive(broker).attempt == 1


def test_a_consumer_has_no_more_messages_than_places_and_leaves_the_rest_to_others(connect: Connect) -> None:
    full, free = connect(prefetch=2), connect()
    for number in range(3):
        full.publish(_event(number))
    _receive(full)
    assert _id(_receive(free)) == "2"


def test_a_message_handed_back_without_delay_takes_the_way_of_no_delay(
    connect: Connect, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    broker = connect()
    broker.publish(_event())
    delivery = _receive(broker)
    channel.queue_delete(delay_name(0.3))
    broker.retry(delivery, delay=0)
    assert _receive(broker).attempt == 2


def test_a_message_for_whom_there_is_no_place_any_more_goes_to_another_consumer(connect: Connect) -> None:
    full, free = connect(prefetch=2), connect()
    for number in range(2):
        full.publish(_event(number))
    first = _receive(full)

    def take_the_other() -> Delivery | None:
        assert full.receive([], 0) is None
        return free.receive(["video"], 0.05)

    assert _id(wait_for(take_the_other, "the second message is another's")) == "1"
    full.accept(first)


def test_an_idle_connection_keeps_its_heartbeat(rabbitmq_forwarder: Forwarder, connect: Connect) -> None:
    broker = connect(url_through(rabbitmq_forwarder, "?heartbeat=1"))
    broker.publish(_event())
    delivery = _receive(broker)
    accepted = rabbitmq_forwarder.accepted
    idle = connect()
    assert idle.receive(["mp3"], 5) is None
    broker.accept(delivery)
    broker.check()
    assert rabbitmq_forwarder.accepted == accepted


def test_of_several_addresses_the_one_that_answers_is_used(rabbitmq_node: RabbitMq, connect: Connect) -> None:
    broker = connect(f"amqp://127.0.0.1:{free_port()},{rabbitmq_node.url}, amqp://127.0.0.1:{free_port()}")
    broker.publish(_event())
    assert _id(_receive(broker)) == "1"
    assert list(broker.list()) == []


def test_a_broker_may_ask_for_tls_and_a_certificate(rabbitmq_node: RabbitMq, connect: Connect) -> None:
    ca = str(rabbitmq_node.authority.ca_file)
    certificate, key = map(str, rabbitmq_node.authority.issue("client"))
    url = f"amqps://guest:guest@localhost:{rabbitmq_node.tls_port}"
    broker = connect(url, files=TlsFiles(ca, certificate, key))
    broker.publish(_event())
    assert _id(_receive(broker)) == "1"
    assert list(broker.list()) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_broker_that_is_not_trusted_or_does_not_trust_us_is_away(
    rabbitmq_node: RabbitMq, connect: Connect, known: bool
) -> None:
    ca = str(rabbitmq_node.authority.ca_file) if known else ""
    broker = connect(f"amqps://guest:guest@localhost:{rabbitmq_node.tls_port}", files=TlsFiles(ca))
    with pytest.raises(BrokerUnavailable):
        wait_for(broker.check, "the connection is refused")


@pytest.mark.parametrize("url", ["amqp://", "amqps:///video", "amqp://host:port", "amqp://a,redis://b", "amqp://a,"])
def test_an_address_that_is_none_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match="Setting BROKER_URL must be amqp://"):
        open_broker(Settings.from_environment({"BROKER_URL": url}))


def test_an_address_has_a_heartbeat_and_an_end_of_waiting_unless_it_names_another_heartbeat() -> None:
    addresses = read_addresses("amqp://first, amqps://second?heartbeat=7", NO_FILES)
    waits = [(one.host, one.heartbeat, one.socket_timeout, one.stack_timeout) for one in addresses]
    assert waits == [("first", 30, 5, 10), ("second", 7, 5, 10)]


def test_a_certificate_is_checked_for_the_host_of_its_address() -> None:
    plain, secure = read_addresses("amqp://first,amqps://second", NO_FILES)
    assert plain.ssl_options is None
    assert secure.ssl_options is not None
    context = secure.ssl_options.context
    assert (secure.ssl_options.server_hostname, context.check_hostname) == ("second", True)
    assert context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("missing", ["BROKER_CA_FILE", "BROKER_CERT_FILE", "BROKER_KEY_FILE"])
def test_a_file_of_tls_that_is_not_there_is_a_clear_error(tmp_path: Path, missing: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue()
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    files = {"BROKER_CA_FILE": str(authority.ca_file), "BROKER_CERT_FILE": str(both), "BROKER_KEY_FILE": str(key)}
    for scheme in ("amqp", "amqps"):
        open_broker(Settings.from_environment({"BROKER_URL": f"{scheme}://host", **files}))
    with pytest.raises(SettingError, match="BROKER_KEY_FILE: a file is not usable") as refused:
        open_broker(Settings.from_environment({"BROKER_URL": "amqps://host", **files, missing: "/nowhere.pem"}))
    assert refused.value.evidence == {"setting": "BROKER_CA_FILE"}


def test_queues_and_places_are_what_the_settings_say(
    rabbitmq_node: RabbitMq, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    names = {"VIDEO_QUEUE": "films", "MP3_QUEUE": "songs", "QUEUE_TYPE": "classic"}
    settings = Settings.from_environment({"BROKER_URL": rabbitmq_node.url, "CONNECTOR_CONCURRENCY": "1", **names})
    with ExitStack() as stack:
        stack.callback(rabbitmq_node.forget, Topology(routes_of(settings), DELAYS, "classic"))
        one, another = (stack.enter_context(closing(open_broker(settings))) for _ in range(2))
        wait_for(lambda: is_usable(one), "the queues are declared")
        for queue in ("films", "songs", "films.dead", "songs.dead"):
            channel.queue_declare(queue, durable=True)  # which is refused where there is a quorum queue
        for delay in DELAYS:
            channel.queue_declare(delay_name(delay), passive=True)
        for number in range(3):
            channel.basic_publish(EVENTS, VIDEO_UPLOADED, str(number).encode())
        taken = [broker.receive(["films"], 10) for broker in (one, another)]
        assert [delivery and delivery.message.body for delivery in taken] == [b"0", b"1"]
