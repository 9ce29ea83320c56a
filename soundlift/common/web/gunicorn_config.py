"""gunicorn's configuration for every function: `gunicorn -c python:soundlift.common.web.gunicorn_config`."""

from __future__ import annotations

import gc
import resource
import signal
import sys
from types import FrameType
from typing import Any

from gunicorn.arbiter import Arbiter

from soundlift.common.errors import SettingError
from soundlift.common.process import lifeline
from soundlift.common.process.data_folder import make_files_private
from soundlift.common.process.shutdown import shutdown
from soundlift.common.process.temporary_folders import sweep_temporary_folders
from soundlift.common.services import process_services
from soundlift.common.settings import Settings
from soundlift.common.tracing.start import start_tracing, stop_tracing

RELEASE_SECONDS = 15  # to release the claims of conversions that DRAIN_SECONDS has interrupted
SPARE_THREADS = 8  # for health checks, and for 429 responses at the concurrency limit
MAX_CONNECTIONS = 1000

try:
    _settings = Settings.from_environment()
except SettingError as error:
    sys.exit(f"soundlift: {error.detail}")

bind = f"{_settings.host}:{_settings.port}"
worker_class = "soundlift.common.web.worker.Worker"
workers = 1
threads = _settings.threads + SPARE_THREADS
# Running out of file descriptors would end the worker, so connections get at most half of them.
worker_connections = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
forwarded_allow_ips = ",".join(str(network) for network in _settings.trusted_proxies)
# No header may override the environ: SCRIPT_NAME would let a path bypass the rules of a proxy.
forwarder_headers = ""
keepalive = 15
graceful_timeout = _settings.drain_seconds + RELEASE_SECONDS
timeout = 60
loglevel = "warning"
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Make new files accessible to their owner only; not at import, since tests and tools import this module too."""
    make_files_private()


def pre_fork(server: Any, worker: Any) -> None:
    """Exempt what exists by now from garbage collections, in the main process and the worker: it stays until the end.

    Each collection would visit all of it, and write to it, so that the processes could not share its memory. Together
    with the collections when both end, this takes a quarter of the processor time of a start and a stop.
    """
    gc.freeze()


def when_ready(server: Any) -> None:
    """Stop gunicorn's main process, and with it the workers, when the supervisor is gone."""
    lifeline.watch(_settings.lifeline_fd)


def post_worker_init(worker: Any) -> None:
    """Stop if a setting is missing, remove what killed workers left behind, and report SIGTERM to long-running work."""
    try:
        start_tracing(_settings, getattr(worker.wsgi, "name", "gateway"))
        getattr(worker.wsgi, "open_services", lambda: None)()
        if _settings.metrics_port:
            from soundlift.common.metrics.endpoint import serve_metrics

            serve_metrics(process_services())
    except SettingError as error:
        print(f"soundlift: {error.detail}", file=sys.stderr)
        sys.exit(Arbiter.APP_LOAD_ERROR)
    gc.freeze()  # the function too stays until the end, see `pre_fork`
    worker.connections_per_address = _settings.connections_per_address
    sweep_temporary_folders()
    graceful = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        shutdown.begin()
        if callable(graceful):
            graceful(number, frame)

    signal.signal(signal.SIGTERM, stop)


def worker_exit(server: Any, worker: Any) -> None:
    """Send the last spans; called in the worker's process, when it has answered its last request."""
    stop_tracing()
