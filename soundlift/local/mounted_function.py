"""A function mounted in the local gateway."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from soundlift.local.stack import StackFunction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NAMESPACE = "openfaas-fn"


class MountedFunction:
    """A function behind the gateway, and the number of its calls."""

    def __init__(self, entry: StackFunction) -> None:
        self.entry = entry
        self._app: WSGIApplication = import_module(entry.module).app
        self._created_at = datetime.now(UTC)
        self._calls = 0
        self._lock = Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request; both bodies are streamed."""
        with self._lock:
            self._calls += 1
        return self._app(environ, start_response)

    @property
    def status(self) -> dict[str, Any]:
        """Return the function's FunctionStatus of OpenFaaS's API."""
        return {
            "name": self.entry.name,
            "image": self.entry.image,
            "namespace": NAMESPACE,
            "secrets": self.entry.secrets,
            "labels": self.entry.labels,
            "annotations": self.entry.annotations,
            "invocationCount": self._calls,
            "replicas": 1,
            "availableReplicas": 1,
            "createdAt": self._created_at.isoformat(),
        }
