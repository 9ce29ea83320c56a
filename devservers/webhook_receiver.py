"""An HTTP server that receives webhooks, keeps them, and answers as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Message:
    """A request that the server received, with its headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Return the message as an outside library reads it; raises its error if the signature is wrong."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass
class Answer:
    """A response; `hold` delays it until the event is set."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: Event | None = None


class WebhookReceiver:
    """A receiver on the loopback; it answers with `answers` in turn, the last of which is repeated."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: list[Answer] = [Answer()]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._receive(self)

            do_GET = do_POST  # noqa: N815 - what a redirect that is followed would send

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _receive(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.messages.append(Message(request.path, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.hold:
            answer.hold.wait()
        request.send_response(answer.status)
        for name, value in {"Content-Length": "0", **answer.headers}.items():
            request.send_header(name, value)
        request.end_headers()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for answer in self.answers:
            if answer.hold:
                answer.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
