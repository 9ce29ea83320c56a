"""Provides one broker after another to the contract suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from devservers.rabbitmq import RabbitMq, connect_broker
from soundlift.common.broker import Broker
from soundlift.common.broker.rabbitmq import RabbitMqBroker
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.broker.routes import Routes
from soundlift.common.broker.sqlite import SqliteBroker
from tests.factories.brokers import ALL_ROUTES, ROUTES, BrokerFactory

LEASE_SECONDS = 0.5
LONGER_THAN_ANY_STALL = 3600.0
DELAYS = (0.3, 0.6)


@pytest.fixture(params=["sqlite", *(pytest.param(kind, marks=pytest.mark.servers) for kind in ("quorum", "classic"))])
def factory(request: pytest.FixtureRequest) -> BrokerFactory:
    found: BrokerFactory = request.getfixturevalue(f"{request.param}_factory")
    return found


@pytest.fixture
def broker(factory: BrokerFactory) -> Broker:
    return factory.connect()


@pytest.fixture
def sqlite_factory(tmp_path: Path) -> BrokerFactory:
    def connect(routes: Routes = ROUTES, lease_seconds: float = LEASE_SECONDS) -> SqliteBroker:
        return SqliteBroker(tmp_path / "queue.db", routes, lease_seconds=lease_seconds)

    undisturbed = partial(connect, lease_seconds=LONGER_THAN_ANY_STALL)
    return BrokerFactory(connect, undisturbed, lambda broker: None, LEASE_SECONDS)


@pytest.fixture
def quorum_factory(rabbitmq_node: RabbitMq) -> Iterator[BrokerFactory]:
    yield from _rabbitmq_factory(rabbitmq_node, "quorum")


@pytest.fixture
def classic_factory(rabbitmq_node: RabbitMq) -> Iterator[BrokerFactory]:
    yield from _rabbitmq_factory(rabbitmq_node, "classic")


def _rabbitmq_factory(node: RabbitMq, queue_type: str) -> Iterator[BrokerFactory]:
    with ExitStack() as stack:
        stack.callback(node.delete, Topology(ALL_ROUTES, DELAYS, queue_type))

        def connect(routes: Routes = ROUTES) -> RabbitMqBroker:
            topology = Topology(routes, DELAYS, queue_type)
            return stack.enter_context(closing(connect_broker(node.url, topology)))

        yield BrokerFactory(connect, connect, RabbitMqBroker.close, LEASE_SECONDS)
