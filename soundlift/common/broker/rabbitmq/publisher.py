"""Publishes to RabbitMQ: a message counts as sent when the broker has confirmed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import pika

from soundlift.common.broker.rabbitmq.link import Link
from soundlift.common.broker.rabbitmq.messages import Parcel
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.errors import BrokerUnavailable

CIRCUIT_SECONDS = 5.0


class ConfirmingPublisher:
    """Sends messages for any number of threads over one channel, and waits for the broker's confirms.

    Where one does not come in time, the circuit opens: for some seconds, or until a confirm comes after all, everybody
    is told at once, so that no request waits for a broker that hangs or has raised an alarm.
    """

    def __init__(self, addresses: Sequence[pika.URLParameters], topology: Topology, *, patience: float) -> None:
        self._patience = patience
        self._link = Link(addresses, topology, prepare=self._prepare, lost=self._lost, blocked=self._block)
        self._channel: Any = None
        self._number = 0
        self._waiting: dict[int, tuple[Parcel, Future[None]]] = {}
        self._blocked: str | None = None
        self._open_until = 0.0
        self.close = self._link.close

    def send(self, parcel: Parcel) -> None:
        """Send a message durably; raises BrokerUnavailable unless RabbitMQ routed it to a queue and confirmed it."""
        self.check()
        confirmed: Future[None] = Future()
        self._link.call(partial(self._publish, parcel, confirmed))
        try:
            confirmed.result(self._patience)
        except TimeoutError:
            self._open_until = time.monotonic() + CIRCUIT_SECONDS
            raise BrokerUnavailable("RabbitMQ did not confirm the message.") from None

    def check(self) -> None:
        """Raise BrokerUnavailable unless messages can be sent."""
        self._link.wait_until_up(self._patience)
        if blocked := self._blocked:
            raise BrokerUnavailable(blocked)
        if time.monotonic() < self._open_until:
            raise BrokerUnavailable("RabbitMQ has not confirmed a message lately.")

    def _prepare(self, channel: Any, ready: Callable[[], None]) -> None:
        self._channel, self._number, self._open_until = channel, 0, 0.0
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._confirmed, callback=lambda _: ready())

    def _publish(self, parcel: Parcel, confirmed: Future[None]) -> None:
        if self._channel is None or not self._channel.is_open:
            return _fail(confirmed, "RabbitMQ went away.")
        self._number += 1
        self._waiting[self._number] = (parcel, confirmed)
        self._channel.basic_publish(parcel.exchange, parcel.routing_key, parcel.body, parcel.properties, mandatory=True)
        return None

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        for number in self._settled(method.delivery_tag, multiple=method.multiple):
            _, confirmed = self._waiting.pop(number, (None, Future()))
            if isinstance(method, pika.spec.Basic.Nack):
                _fail(confirmed, "RabbitMQ refused the message: its queue is full or away.")
            elif not confirmed.done():
                confirmed.set_result(None)
        self._open_until = 0.0

    def _settled(self, number: int, *, multiple: bool) -> list[int]:
        return [one for one in self._waiting if one <= number] if multiple else [number]

    def _returned(self, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        """Fail all that wait and go the same way: a return names no number, and comes before its confirm.

        Somebody has deleted a queue, so connect anew, which declares it again.
        """
        for parcel, confirmed in self._waiting.values():
            if (parcel.exchange, parcel.routing_key) == (method.exchange, method.routing_key):
                _fail(confirmed, f"RabbitMQ has no queue for {method.routing_key} any more.")
        channel.close()

    def _block(self, reason: str | None) -> None:
        self._blocked = reason
        if reason:
            self._fail_all(reason)

    def _lost(self, why: str) -> None:
        self._channel = self._blocked = None
        self._fail_all(why)
        self._waiting.clear()

    def _fail_all(self, why: str) -> None:
        for _, confirmed in self._waiting.values():
            _fail(confirmed, why)


def _fail(confirmed: Future[None], why: str) -> None:
    if not confirmed.done():
        confirmed.set_exception(BrokerUnavailable(why))
