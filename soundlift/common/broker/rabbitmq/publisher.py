"""Publishes to RabbitMQ: a message counts as sent once the broker has confirmed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import pika

from soundlift.common.broker.rabbitmq.connection import ReconnectingConnection
from soundlift.common.broker.rabbitmq.messages import OutgoingMessage
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.errors import BrokerUnavailable

CIRCUIT_SECONDS = 5.0


class ConfirmingPublisher:
    """A channel over which any number of threads send messages, each waiting for the broker's confirm.

    If a confirm does not arrive in time, the circuit opens: for some seconds, or until a confirm arrives, every send
    fails immediately, so that no request waits for a broker that hangs or has raised an alarm.
    """

    def __init__(self, addresses: Sequence[pika.URLParameters], topology: Topology, *, timeout: float) -> None:
        self._timeout = timeout
        self._connection = ReconnectingConnection(
            addresses, topology, prepare=self._prepare, lost=self._lost, blocked=self._block
        )
        self._channel: Any = None
        self._number = 0
        self._waiting: dict[int, tuple[OutgoingMessage, Future[None]]] = {}
        self._blocked: str | None = None
        self._open_until = 0.0
        self.close = self._connection.close

    def send(self, message: OutgoingMessage) -> None:
        """Send a message durably; raises BrokerUnavailable unless RabbitMQ confirms it.

        RabbitMQ confirms a message when every queue that it was routed to has stored it, and returns one that was
        routed to none (https://www.rabbitmq.com/docs/confirms).
        """
        self.check()
        confirmed: Future[None] = Future()
        self._connection.call(partial(self._publish, message, confirmed))
        try:
            confirmed.result(self._timeout)
        except TimeoutError:
            self._open_until = time.monotonic() + CIRCUIT_SECONDS
            raise BrokerUnavailable("RabbitMQ did not confirm the message.") from None

    def check(self) -> None:
        """Raise BrokerUnavailable unless messages can be sent."""
        self._connection.wait_until_up(self._timeout)
        if blocked := self._blocked:
            raise BrokerUnavailable(blocked)
        if time.monotonic() < self._open_until:
            raise BrokerUnavailable("RabbitMQ did not confirm the last message.")

    def _prepare(self, channel: Any, ready: Callable[[], None]) -> None:
        self._channel, self._number, self._open_until = channel, 0, 0.0
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._confirmed, callback=lambda _: ready())

    def _publish(self, message: OutgoingMessage, confirmed: Future[None]) -> None:
        if self._channel is None or not self._channel.is_open:
            return _fail(confirmed, "The connection to RabbitMQ was lost.")
        self._number += 1
        self._waiting[self._number] = (message, confirmed)
        self._channel.basic_publish(
            message.exchange, message.routing_key, message.body, message.properties, mandatory=True
        )
        return None

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        for number in self._settled(method.delivery_tag, multiple=method.multiple):
            _, confirmed = self._waiting.pop(number, (None, Future()))
            if isinstance(method, pika.spec.Basic.Nack):
                _fail(confirmed, "RabbitMQ refused the message: a queue is full or unavailable.")
            elif not confirmed.done():
                confirmed.set_result(None)
        self._open_until = 0.0

    def _settled(self, number: int, *, multiple: bool) -> list[int]:
        return [waiting for waiting in self._waiting if waiting <= number] if multiple else [number]

    def _returned(self, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        """Fail all waiting messages with the same route: a return has no delivery tag, and precedes its confirm.

        A return means that somebody has deleted a queue, so reconnect, which declares it again.
        """
        for message, confirmed in self._waiting.values():
            if (message.exchange, message.routing_key) == (method.exchange, method.routing_key):
                _fail(confirmed, f"RabbitMQ no longer has a queue for {method.routing_key}.")
        channel.close()

    def _block(self, reason: str | None) -> None:
        self._blocked = reason
        if reason:
            self._fail_all(reason)

    def _lost(self, reason: str) -> None:
        self._channel = self._blocked = None
        self._fail_all(reason)
        self._waiting.clear()

    def _fail_all(self, reason: str) -> None:
        for _, confirmed in self._waiting.values():
            _fail(confirmed, reason)


def _fail(confirmed: Future[None], reason: str) -> None:
    if not confirmed.done():
        confirmed.set_exception(BrokerUnavailable(reason))
