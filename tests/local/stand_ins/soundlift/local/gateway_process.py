"""A stand-in that runs in place of the gateway."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

from stand_in import StandIn

gateway = StandIn("gateway")
statuses = iter(gateway.option("IS_HEALTHY", "200").split())


class Handler(BaseHTTPRequestHandler):
    """A gateway without functions; its health checks get the given statuses in order (`hangs`: no answer), then 200."""

    def do_GET(self) -> None:
        status = next(statuses, "200") if self.path == "/healthz" else "200"
        login, connection = self.headers.get("Authorization", "none"), self.headers["Connection"]
        gateway.note(f"answers {status} to GET {self.path}, login: {login}, connection: {connection}")
        if status == "hangs":
            Event().wait()
        self.send_response(int(status))
        if status == "302":
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


if line := gateway.option("PRINTS"):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
if exit_code := gateway.option("EXITS_WITH"):
    sys.exit(int(exit_code))
ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
