"""Configures gunicorn, the one server of every function: `gunicorn -c python:soundlift.common.serving`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

from soundlift.common import lifeline
from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings
from soundlift.common.shutdown import shutdown

SECONDS_TO_HAND_BACK = 15

try:
    _settings = Settings.from_environment()
except SettingError as error:
    sys.exit(f"soundlift: {error.detail}")

# In a container the function must be reached from outside it; HOST narrows that.
bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"  # noqa: S104 - see above
worker_class = "gthread"
workers = 1
threads = _settings.threads
keepalive = 15
graceful_timeout = _settings.drain_seconds + SECONDS_TO_HAND_BACK
timeout = 60
loglevel = "warning"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Let gunicorn's own process end when its supervisor is gone; its workers end with it."""
    lifeline.hold(_settings.lifeline_fd)


def post_worker_init(worker: Any) -> None:
    """Let long work learn of SIGTERM, beside gunicorn's own graceful stop."""
    graceful = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        shutdown.begin()
        if callable(graceful):
            graceful(number, frame)

    signal.signal(signal.SIGTERM, stop)
