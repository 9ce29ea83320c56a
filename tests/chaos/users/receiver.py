"""The server at which users receive webhooks: it verifies and records each, and does not accept some at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from tests.chaos.history import History

REFUSED_EVERY, SLOW_EVERY = 5, 7  # of the deliveries: the first attempt gets a 503, or the answer comes late
SLOW_SECONDS = 2.0
FORGED = 400
IDLE_SECONDS = 30


class WebhookEndpoint:
    """An endpoint for each user, whose secret is in `secrets`."""

    def __init__(self, history: History) -> None:
        self.secrets: dict[str, str] = {}
        self._history = history
        self._attempts: Counter[str] = Counter()
        self._lock = Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            timeout = IDLE_SECONDS

            def do_POST(self) -> None:
                endpoint._receive(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing it waits for them
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def url_of(self, user: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{user}"

    def _receive(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in request.headers.items()}
        user = request.path.removeprefix("/")
        message = _verified(body, headers, self.secrets[user])
        status = FORGED if message is None else self._status(headers["webhook-id"])
        data = (message or {}).get("data", {})
        self._history.record(
            "webhook", id=headers.get("webhook-id"), to=user, job=data.get("job_id"),
            ended_at=data.get("ended_at"), type=message and message["type"], status=status,
        )  # fmt: skip
        with suppress(OSError):
            request.send_response(status)
            request.send_header("Content-Length", "0")
            request.end_headers()

    def _status(self, delivery: str) -> int:
        """Return the status of the answer to an attempt, after a pause if it is to be late."""
        with self._lock:
            self._attempts[delivery] += 1
            count = self._attempts[delivery]
        kind = sum(delivery.encode())
        if kind % SLOW_EVERY == 0:
            time.sleep(SLOW_SECONDS)
        return 503 if kind % REFUSED_EVERY == 0 and count == 1 else 204

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Receive nothing more, and wait until everything is recorded."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _verified(body: bytes, headers: Mapping[str, str], secret: str) -> Any:
    """Return a message as an outside library reads it; None if its signature is wrong."""
    try:
        return Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError:
        return None
