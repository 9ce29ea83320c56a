"""The worker under test, with a small application."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.api.worker.worker_loop import LIMITS, Serve, WorkerLoop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGE = 64 * 2**20


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Respond with the body of the request, except for a few special paths."""
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("a bug")
    body = b"" if path == "/unread" else bytes(LARGE) if path == "/large" else environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Return a function that runs a worker, whose modules use the clock of its loop."""
    with capture_logs() as log_lines, ExitStack() as stack:

        def start(**settings: Any) -> WorkerLoop:
            loop = WorkerLoop(echo, log_lines, **settings)
            for module in ("worker", "connection", "lingering_close", "drop_counter"):
                monkeypatch.setattr(f"soundlift.common.web.{module}.time", loop)
            for limit, seconds in LIMITS.items():
                monkeypatch.setattr(f"soundlift.common.web.{limit}", seconds)
            return stack.enter_context(loop.running())

        yield start


@pytest.fixture
def loop(serve: Serve) -> WorkerLoop:
    """Return a running worker with the default settings."""
    return serve()
