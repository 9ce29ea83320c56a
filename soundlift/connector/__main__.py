"""Runs the connector: `python -m soundlift.connector`."""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread

from soundlift.common.auth.gateway_login import user_of
from soundlift.common.errors import SettingError
from soundlift.common.process import lifeline
from soundlift.common.process.data_folder import make_files_private
from soundlift.common.services import Services, services_of_process
from soundlift.common.settings import Settings
from soundlift.connector.calls import Caller
from soundlift.connector.courier import Courier
from soundlift.connector.discovery import Discovery
from soundlift.connector.health import Health, serve
from soundlift.connector.loop import Loop
from soundlift.connector.metrics import Metrics
from soundlift.connector.reading import Reader
from soundlift.connector.subscriptions import Subscriptions, fixed_subscriptions
from soundlift.connector.verdict import Patience

SECONDS_BEYOND_CONVERSION = 60
SECONDS_BEYOND_DRAIN = 20  # a function told to stop at the same moment hands its work back in less


def main() -> None:
    """Deliver until SIGTERM or SIGINT; a setting that is wrong ends the start with one sentence and exit code 1."""
    make_files_private()
    try:
        services = services_of_process()
        settings, metrics = services.settings, Metrics()
        subscriptions = _subscriptions(settings)
        loop = _loop(services, subscriptions, metrics)
        if settings.connector_port:
            health = Health(loop, subscriptions, services.broker, services.shutdown, metrics)
            serve(health, settings.host, settings.connector_port)
    except SettingError as error:
        sys.exit(f"soundlift: {error.detail}")
    lifeline.hold(settings.lifeline_fd)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: services.shutdown.begin())
    Thread(target=subscriptions.follow, args=(services.shutdown,), daemon=True).start()
    if loop.run(services.shutdown):
        # The interpreter would wait for threads that still wait for a function.
        os._exit(0)


def _subscriptions(settings: Settings) -> Subscriptions:
    queues = {settings.video_queue, settings.mp3_queue}
    if settings.subscribers:
        return fixed_subscriptions(dict(settings.subscribers), queues)
    return Discovery(settings.gateway_url, queues, user_of(settings))


def _loop(services: Services, subscriptions: Subscriptions, metrics: Metrics) -> Loop:
    settings, broker = services.settings, services.broker
    caller = Caller(
        timeout=settings.max_conversion_seconds + SECONDS_BEYOND_CONVERSION,
        connections=settings.connector_concurrency * subscriptions.most,
        gateway_url=settings.gateway_url,
        user=user_of(settings) if settings.basic_auth_calls else {},
    )
    reader = Reader(settings.video_queue, settings.accept_bare_messages)
    return Loop(
        broker,
        subscriptions,
        Courier(broker, broker, reader, caller, Patience(settings.connector_attempts), metrics),
        concurrency=settings.connector_concurrency,
        drain_seconds=settings.drain_seconds + SECONDS_BEYOND_DRAIN,
    )


if __name__ == "__main__":
    main()
