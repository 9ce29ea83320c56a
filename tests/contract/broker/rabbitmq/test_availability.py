"""A RabbitMQ node that dies, hangs, raises an alarm or cannot be reached."""

from __future__ import annotations

import gc
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from devservers.availability import is_usable
from devservers.forwarder import Forwarder
from devservers.ports import free_port
from devservers.rabbitmq import RabbitMq, url_through
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.broker.rabbitmq import CONFIRM_SECONDS, RabbitMqBroker
from soundlift.common.broker.rabbitmq.addresses import read_addresses
from soundlift.common.errors import BrokerUnavailable
from tests.contract.broker.deliveries import VIDEO, event, id_of, receive
from tests.contract.broker.rabbitmq.conftest import NO_FILES, TOPOLOGY, Connect

HEARTBEAT_BYTES = 8  # of a frame


def test_confirmed_messages_survive_the_death_of_the_node_and_clients_reconnect(
    rabbitmq_node: RabbitMq, connect: Connect
) -> None:
    # Its queues stay: RabbitMQ 3.10 breaks where one is deleted while it still writes what it has recovered of it.
    url = rabbitmq_node.new_virtual_host()
    broker, consumer = connect(url), connect(url)
    for number in range(20):
        broker.publish(event(number))
    assert id_of(receive(consumer, VIDEO)) == "0"
    rabbitmq_node.server.kill()
    try:
        wait_for(lambda: not is_usable(broker), "the connection is lost")
        for use in (lambda: broker.publish(event(20)), lambda: list(broker.list())):
            with pytest.raises(BrokerUnavailable):
                use()
    finally:
        rabbitmq_node.server.start(seconds=100)
    wait_for(lambda: is_usable(broker), "the publisher is connected again")
    broker.publish(event(20))
    numbers = set()
    while len(numbers) < 21:
        try:
            delivery = receive(consumer, VIDEO)
        except BrokerUnavailable:
            continue
        numbers.add(int(id_of(delivery)))
        consumer.accept(delivery)


def test_a_hanging_node_delays_one_publish_and_fails_the_next_ones_immediately(
    rabbitmq_forwarder: Forwarder, connect: Connect
) -> None:
    broker = connect(url_through(rabbitmq_forwarder), confirm_timeout=CONFIRM_SECONDS)
    wait_for(lambda: is_usable(broker), "the node has been reached")
    rabbitmq_forwarder.hang()
    with pytest.raises(BrokerUnavailable, match="did not confirm"):
        broker.publish(event())
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(BrokerUnavailable, match="did not confirm the last"):
            broker.publish(event())
    assert time.monotonic() - began < 10 * CONFIRM_SECONDS
    rabbitmq_forwarder.restore()
    wait_for(lambda: is_usable(broker), "the late confirm has closed the circuit")


def test_publishing_fails_immediately_while_no_node_is_reachable(connect: Connect) -> None:
    broker = connect(f"amqp://127.0.0.1:{free_port()}", confirm_timeout=CONFIRM_SECONDS)
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(BrokerUnavailable):
            broker.publish(event())
    assert time.monotonic() - began < 10 * CONFIRM_SECONDS


def test_the_error_for_an_unreachable_node_includes_the_system_s_cause(connect: Connect) -> None:
    broker = connect(f"amqp://127.0.0.1:{free_port()},amqp://127.0.0.1:{free_port()}")
    for use in (broker.check, lambda: list(broker.list())):
        with pytest.raises(BrokerUnavailable) as refused:
            use()
        assert refused.value.detail.startswith("RabbitMQ does not answer. ")
        assert "Connection refused" in refused.value.detail


def test_an_unreachable_node_is_logged_once(connect: Connect) -> None:
    with Forwarder(free_port()) as nobody_behind, capture_logs() as logs:
        broker = connect(url_through(nobody_behind))
        wait_for(lambda: not is_usable(broker) and nobody_behind.accepted > 2, "it has been tried several times")
        assert [line["event"] for line in logs] == ["broker_unavailable"]


def test_a_node_is_unavailable_while_it_has_an_alarm(rabbitmq_node: RabbitMq, connect: Connect) -> None:
    broker = connect()
    broker.check()
    rabbitmq_node.control("set_vm_memory_high_watermark", "0.0000001")
    try:
        with pytest.raises(BrokerUnavailable):
            broker.publish(event())
        with pytest.raises(BrokerUnavailable, match="accepts no messages at the moment"):
            broker.check()
    finally:
        rabbitmq_node.control("set_vm_memory_high_watermark", "0.4")
    wait_for(lambda: is_usable(broker), "the alarm is over")
    broker.publish(event(2))


def test_one_channel_serves_many_threads(connect: Connect) -> None:
    broker, consumer = connect(), connect(prefetch=500)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(broker.publish, map(event, range(500))))
    assert sorted(int(id_of(receive(consumer, VIDEO))) for _ in range(500)) == list(range(500))


def test_an_idle_connection_keeps_sending_heartbeats(rabbitmq_forwarder: Forwarder, connect: Connect) -> None:
    broker = connect(url_through(rabbitmq_forwarder, "?heartbeat=4"))  # a client that stalls for 8 s is given up
    broker.publish(event())
    delivery = receive(broker, VIDEO)
    accepted, received = rabbitmq_forwarder.accepted, rabbitmq_forwarder.received_bytes
    wait_for(lambda: rabbitmq_forwarder.received_bytes >= received + 5 * HEARTBEAT_BYTES, "heartbeats are sent")
    broker.accept(delivery)
    broker.check()
    assert rabbitmq_forwarder.accepted == accepted


def test_a_connection_that_is_closed_while_it_opens_leaves_no_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        addresses = read_addresses(f"amqp://127.0.0.1:{listener.getsockname()[1]}", NO_FILES)
        broker = RabbitMqBroker(addresses, TOPOLOGY, prefetch=4, confirm_timeout=0.5)
        check = pool.submit(is_usable, broker)
        server, _ = listener.accept()
        with server:
            server.settimeout(DEADLINE_SECONDS)
            assert server.recv(8) == b"AMQP\0\0\t\1"
            gc.disable()
            try:
                broker.close()
                assert server.recv(1) == b""
            finally:
                gc.enable()
        assert not check.result()
