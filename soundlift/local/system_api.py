"""Answers what faas-cli asks a gateway below /system, as far as one machine has it.

That is OpenFaaS's REST API (https://docs.openfaas.com/reference/rest-api/), for `list`, `describe`, `logs`,
`secret list` and `version`. What would change something is answered 501: stack.yml and the settings say what runs.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import BadRequest, NotFound, NotSupported
from soundlift.common.process.shutdown import shutdown
from soundlift.common.settings import Settings
from soundlift.local.function_logs import LogLine, lines_of

if TYPE_CHECKING:
    from soundlift.local.gateway import Mounted

NAMESPACE = "openfaas-fn"
INSTANCE = "gateway"  # the one process that runs all functions
FOLLOW_SECONDS = 30.0  # as long as OpenFaaS's gateway goes on with a log
MOST_FOLLOWERS = 4
MOST_LINES = 1_000_000


class SystemApi:
    """The functions of a gateway, described to whoever has its login."""

    def __init__(self, settings: Settings, mounted: Mapping[str, Mounted]) -> None:
        self._settings = settings
        self._mounted = mounted
        self._followers = BoundedSemaphore(MOST_FOLLOWERS)

    def answer(self, request: Request) -> ResponseReturnValue:
        """Answer a request of a path below /system; raises NotFound, BadRequest or NotSupported."""
        match request.method, request.path.removeprefix("/system/").split("/"):
            case "GET" | "HEAD", ["functions"]:
                return jsonify([one.status for one in self._mounted.values()])
            case "GET" | "HEAD", ["function", name]:
                return jsonify(self._find(name).status)
            case "GET" | "HEAD", ["info"]:
                return jsonify(_info())
            case "GET" | "HEAD", ["secrets"]:
                return jsonify([{"name": name, "namespace": NAMESPACE} for name in self._secrets()])
            case "GET", ["logs"]:
                return self._logs(request)
            case _, [""]:
                raise NotFound("Nothing is served here. Try /system/functions.")
        raise NotSupported(
            f"`soundlift up` does not do {request.method} {request.path}: it runs the functions of stack.yml, "
            "with the settings of its environment. Change those, and start it again."
        )

    def _find(self, name: str) -> Mounted:
        if name not in self._mounted:
            raise NotFound(f"There is no function {name!r}. The functions are: {', '.join(self._mounted)}.")
        return self._mounted[name]

    def _secrets(self) -> list[str]:
        """Return the names of those secrets of the functions that are files; the others are settings or defaults."""
        named = {secret for one in self._mounted.values() for secret in one.function.secrets}
        return sorted(name for name in named if (self._settings.secrets_folder / name).exists())

    def _logs(self, request: Request) -> Response:
        """Answer a function's log lines, each as a JSON object; the gateway's own log has them."""
        function = self._find(request.args.get("name", "")).function.name
        follows = request.args.get("follow") == "true" and self._followers.acquire(blocking=False)
        try:
            lines = lines_of(
                function,
                self._settings.soundlift_data / "logs" / "gateway.log",
                since=_time(request.args.get("since")),
                last=_count(request.args.get("tail")),
                follow=_until(FOLLOW_SECONDS) if follows else lambda: False,
            )
        except BadRequest:
            if follows:
                self._followers.release()
            raise
        response = Response(_messages(function, lines), content_type="application/x-ndjson")
        if follows:
            response.call_on_close(self._followers.release)
        return response


def _messages(function: str, lines: Iterator[LogLine]) -> Iterator[str]:
    for line in lines:
        message = {"name": function, "namespace": NAMESPACE, "instance": INSTANCE}
        yield json.dumps({**message, "timestamp": line.written_at.isoformat(), "text": line.text}) + "\n"


def _until(seconds: float) -> Callable[[], bool]:
    """Return a predicate that is true for `seconds`, or until shutdown."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() < deadline and not shutdown.is_overdue(0)


def _time(text: str | None) -> datetime | None:
    """Read a time with its zone (RFC 3339); raises BadRequest."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequest(f"since={text!r} must be a time such as 2026-01-31T12:00:00Z.")
    return found


def _count(text: str | None) -> int | None:
    """Read how many lines are wanted; none or less are all. Raises BadRequest."""
    if not text or text.startswith("-"):
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MOST_LINES)):
        raise BadRequest(f"tail={text!r} must be a whole number up to {MOST_LINES}.")
    return min(int(text), MOST_LINES) or None


def _info() -> Mapping[str, Any]:
    try:
        release = version("soundlift")
    except PackageNotFoundError:
        release = "unknown"
    ours = {"release": release, "sha": ""}
    provider = {"provider": "soundlift up", "orchestration": "one process", "version": ours}
    return {"provider": provider, "version": ours, "arch": platform.machine()}
