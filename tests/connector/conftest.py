"""Runs the connector's loop, or its process, before a small real HTTP server that plays gateway and function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from soundlift.common.events import from_http

SUBSCRIBERS = {"convert": "video", "notify": "mp3"}


@dataclass
class Gateway:
    """Answers /system/functions, and each function with what the test has put there; keeps what was sent."""

    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    subscribers: dict[str, str] = field(default_factory=lambda: dict(SUBSCRIBERS))
    received: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    @Request.application
    def __call__(self, request: Request) -> Response:
        if request.path == "/system/functions":
            listed = [{"name": name, "annotations": {"topic": topic}} for name, topic in self.subscribers.items()]
            return Response(json.dumps(listed), mimetype="application/json")
        name = request.path.removeprefix("/function/")
        self.received.append((name, from_http(dict(request.headers), request.get_data()).get_id()))
        return self.answers.get(name, lambda _: Response(status=204))(request)

    def ids(self, name: str) -> list[str]:
        return [event_id for function, event_id in self.received if function == name]


@pytest.fixture
def serve() -> Iterator[Callable[[Any, int], str]]:
    """Return a function that serves an application on loopback, and tells its address."""
    running: list[tuple[BaseWSGIServer, threading.Thread]] = []

    def start(application: Any, port: int = 0) -> str:
        server = make_server("127.0.0.1", port, application, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def gateway(serve: Callable[..., str]) -> Gateway:
    gateway = Gateway()
    gateway.url = serve(gateway)
    return gateway
