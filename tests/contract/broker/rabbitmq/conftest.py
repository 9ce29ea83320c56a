"""Provides connections to a RabbitMQ node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from devservers.rabbitmq import RabbitMq
from soundlift.common.broker.rabbitmq import RabbitMqBroker
from soundlift.common.broker.rabbitmq.addresses import TlsFiles, read_addresses
from soundlift.common.broker.rabbitmq.topology import Topology
from tests.factories.brokers import ALL_ROUTES, ROUTES

DELAYS = (0.3, 2)
TOPOLOGY = Topology(ROUTES, DELAYS, "quorum")
NO_FILES = TlsFiles()
Connect = Callable[..., RabbitMqBroker]


@pytest.fixture
def connect(rabbitmq_node: RabbitMq) -> Iterator[Connect]:
    """Return a function that connects to the node, which has no queues afterwards."""
    with ExitStack() as stack:
        stack.callback(rabbitmq_node.delete, Topology(ALL_ROUTES, DELAYS, "quorum"))

        def connect(
            urls: str = rabbitmq_node.url,
            topology: Topology = TOPOLOGY,
            files: TlsFiles = NO_FILES,
            prefetch: int = 4,
            confirm_timeout: float = 30,
        ) -> RabbitMqBroker:
            addresses = read_addresses(urls, files)
            broker = RabbitMqBroker(addresses, topology, prefetch=prefetch, confirm_timeout=confirm_timeout)
            return stack.enter_context(closing(broker))

        yield connect


@pytest.fixture
def channel(rabbitmq_node: RabbitMq) -> Iterator[BlockingChannel]:
    """Return a channel as another program has it."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_node.url)) as connection:
        yield connection.channel()
