"""Runs the connector: `python -m soundlift.connector`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from threading import Thread

from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.broker.routes import all_queues, queues_by_topic
from soundlift.common.errors import SettingError
from soundlift.common.metrics.state import State
from soundlift.common.process import lifeline
from soundlift.common.process.data_folder import make_files_private
from soundlift.common.services import Services, process_services
from soundlift.common.settings import Settings
from soundlift.common.tracing.events import messaging_system
from soundlift.common.tracing.start import start_tracing, stop_tracing
from soundlift.connector.delivery_handler import DeliveryHandler
from soundlift.connector.discovery import Discovery
from soundlift.connector.event_reader import EventReader
from soundlift.connector.function_client import FunctionClient
from soundlift.connector.health import Health, serve
from soundlift.connector.loop import DeliveryLoop
from soundlift.connector.metrics import Metrics
from soundlift.connector.retry_policy import RetryPolicy
from soundlift.connector.subscriptions import Subscriptions, fixed_subscriptions

SECONDS_BEYOND_CONVERSION = 60
SECONDS_BEYOND_DRAIN = 20  # a function that is stopped at the same time releases its work sooner


def main() -> None:
    """Deliver until SIGTERM or SIGINT; on an invalid setting, print one sentence and exit with code 1."""
    make_files_private()
    try:
        services = process_services()
        settings, metrics = services.settings, Metrics()
        start_tracing(settings, "connector")
        subscriptions = _subscriptions(settings)
        loop = _loop(services, subscriptions, metrics)
        if settings.connector_port:
            metrics.registry.register(State(services))
            health = Health(loop, subscriptions, services.broker, services.shutdown, metrics)
            serve(health, settings.host, settings.connector_port)
    except SettingError as error:
        sys.exit(f"soundlift: {error.detail}")
    lifeline.watch(settings.lifeline_fd)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: services.shutdown.begin())
    gc.freeze()  # what exists by now stays until the end, so that no garbage collection needs to visit it
    Thread(target=subscriptions.follow, args=(services.shutdown,), daemon=True).start()
    unfinished = loop.run(services.shutdown)
    stop_tracing()
    if unfinished:
        # The interpreter would wait for the threads that are still waiting for a function.
        os._exit(0)


def _subscriptions(settings: Settings) -> Subscriptions:
    topics = queues_by_topic(settings)
    if settings.subscribers:
        return fixed_subscriptions(dict(settings.subscribers), all_queues(topics))
    return Discovery(settings.gateway_url, topics, login_headers(settings))


def _loop(services: Services, subscriptions: Subscriptions, metrics: Metrics) -> DeliveryLoop:
    settings, broker = services.settings, services.broker
    client = FunctionClient(
        timeout=max(settings.max_conversion_seconds, settings.import_seconds) + SECONDS_BEYOND_CONVERSION,
        connections=settings.connector_concurrency * subscriptions.max_queues,
        gateway_url=settings.gateway_url,
        login=login_headers(settings) if settings.basic_auth_calls else {},
    )
    reader = EventReader(settings.video_queue, settings.accept_bare_messages)
    policy = RetryPolicy(settings.connector_attempts)
    system = messaging_system(settings.broker_url)
    return DeliveryLoop(
        broker,
        subscriptions,
        DeliveryHandler(broker, services.publisher, reader, client, policy, metrics, services.shutdown, system),
        concurrency=settings.connector_concurrency,
        drain_seconds=settings.drain_seconds + SECONDS_BEYOND_DRAIN,
    )


if __name__ == "__main__":
    main()
