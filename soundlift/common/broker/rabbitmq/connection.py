"""A connection to RabbitMQ in its own thread, so that nothing delays its heartbeats."""

from __future__ import annotations

import atexit
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pika
import structlog
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.errors import BrokerUnavailable

FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 5.0
CLOSE_SECONDS = 5.0
NO_ANSWER = "RabbitMQ does not answer."

log = structlog.get_logger()


class ReconnectingConnection:
    """A connection with one channel, which is reopened whenever it is lost, at the first address that responds.

    The hooks run in the connection's thread, the only one that may use pika's objects. `prepare` gets each new channel,
    on which the topology is declared, and a callback to call when the channel is ready. `lost` gets the reason for a
    lost connection. `blocked` gets the reason when RabbitMQ stops accepting messages, and None when it resumes.
    """

    def __init__(
        self,
        addresses: Sequence[pika.URLParameters],
        topology: Topology,
        *,
        prepare: Callable[[Any, Callable[[], None]], None],
        lost: Callable[[str], None],
        blocked: Callable[[str | None], None],
    ) -> None:
        self._addresses = addresses
        self._topology = topology
        self._prepare = prepare
        self._lost = lost
        self._blocked = blocked
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._channel_error: Exception | None = None
        self._is_up = False
        self._down_reason = ""
        self._failures = 0
        self._closing = threading.Event()

    def wait_until_up(self, seconds: float) -> None:
        """Return when the channel is ready; the first call starts connecting.

        Raises BrokerUnavailable after `seconds`, or immediately if no address has responded.
        """
        with self._changed:
            self._start()
            self._changed.wait_for(lambda: self._is_up or self._down_reason, seconds)
            if not self._is_up:
                raise BrokerUnavailable(self._down_reason or NO_ANSWER)

    def call(self, function: Callable[[], None]) -> None:
        """Run a function soon in the connection's thread; while the connection is down it may never run."""
        connection = self._connection
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(function)

    def close(self) -> None:
        """Close the connection and end the thread permanently."""
        self._closing.set()
        if self._thread is not None:
            self.call(self._disconnect)
            self._thread.join(CLOSE_SECONDS)
            atexit.unregister(self.close)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_connected, name="rabbitmq", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _keep_connected(self) -> None:
        for address in itertools.cycle(self._addresses):
            if self._closing.wait(self._pause()):
                break
            try:
                self._connect(address)
            except Exception as error:  # the thread must survive to make the next connection
                log.exception("unexpected error")
                self._down(error)

    def _pause(self) -> float:
        """Return the seconds to wait before the next attempt: 0 until every address has been tried."""
        rounds = self._failures // len(self._addresses)
        return min(FIRST_PAUSE_SECONDS * 2 ** (rounds - 1), MAX_PAUSE_SECONDS) if rounds else 0

    def _connect(self, address: pika.URLParameters) -> None:
        """Connect, and return when the connection has ended."""
        self._channel_error = None
        self._connection = connection = pika.SelectConnection(
            address,
            on_open_callback=self._opened,
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
        )
        try:
            connection.ioloop.start()
        finally:
            self._connection = None
            connection.ioloop.close()
            if (transport := connection._transport) is not None:  # it was still opening; pika leaves its socket open
                transport._sock.close()

    def _opened(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(
            lambda _, frame: self._blocked(f"RabbitMQ accepts no messages at the moment: {frame.method.reason}.")
        )
        connection.add_on_connection_unblocked_callback(lambda *_: self._blocked(None))
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Any) -> None:
        channel.add_on_close_callback(self._channel_closed)
        self._topology.declare(channel)
        self._prepare(channel, self._ready)

    def _ready(self) -> None:
        self._failures = 0
        with self._changed:
            self._is_up, self._down_reason = True, ""
            self._changed.notify_all()

    def _channel_closed(self, channel: Any, reason: Exception) -> None:
        """Also close the connection, and reconnect: a broker closes a channel only when something is wrong."""
        self._channel_error = reason
        self._disconnect()

    def _closed(self, connection: Any, reason: Exception) -> None:
        self._down(self._channel_error or reason)
        connection.ioloop.stop()

    def _disconnect(self) -> None:
        connection = self._connection
        if connection.is_open:
            connection.close()
        elif not connection.is_closing:
            connection.ioloop.stop()

    def _down(self, reason: Exception) -> None:
        self._failures += 1
        description = describe_error(reason)
        with self._changed:
            is_new = self._is_up or (not self._down_reason and self._failures >= len(self._addresses))
            if is_new or self._down_reason:
                self._is_up, self._down_reason = False, description
            self._changed.notify_all()
        self._lost(description)
        if is_new and not self._closing.is_set():
            log.warning(BrokerUnavailable.code, detail=description)


def describe_error(reason: Exception) -> str:
    """Return why a channel or a connection was closed, quoting the broker if the properties of a queue differ."""
    if isinstance(reason, ChannelClosedByBroker) and reason.reply_code == 406 and "inequivalent" in reason.reply_text:
        return (
            f"RabbitMQ has a queue or exchange with other properties: {reason.reply_text}. "
            "Delete it, set VIDEO_QUEUE or MP3_QUEUE to another name, or set QUEUE_TYPE to its type."
        )
    if isinstance(reason, ChannelClosedByBroker | ConnectionClosedByBroker):
        return f"RabbitMQ closed the connection: {reason.reply_text}."
    cause = _root_cause(reason)
    return f"{NO_ANSWER} {str(cause) or type(cause).__name__}."


def _root_cause(reason: BaseException) -> BaseException:
    """Return the innermost error; pika nests errors in several different ways."""
    wrapped = (*getattr(reason, "exceptions", ()), getattr(reason, "exception", None), *reason.args)
    causes = [item for item in wrapped if isinstance(item, BaseException)]
    return _root_cause(causes[-1]) if causes else reason
