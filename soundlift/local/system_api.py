"""The read-only part of OpenFaaS's REST API below /system, for faas-cli.

It serves `list`, `describe`, `logs`, `secret list` and `version` (https://docs.openfaas.com/reference/rest-api/).
Requests that would change something get a 501, because stack.yml and the settings determine what runs.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from threading import BoundedSemaphore
from typing import Any

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import BadRequest, NotFound, NotSupported
from soundlift.common.process.shutdown import shutdown
from soundlift.common.settings import Settings
from soundlift.local.function_logs import LogLine, function_lines
from soundlift.local.mounted_function import NAMESPACE, MountedFunction

INSTANCE = "gateway"  # one process runs all functions
FOLLOW_SECONDS = 30.0  # as OpenFaaS's gateway does
MAX_FOLLOWERS = 4
MAX_LINES = 1_000_000


class SystemApi:
    """The API that describes the functions of a gateway; the gateway checks the caller's login first."""

    def __init__(self, settings: Settings, mounted: Mapping[str, MountedFunction]) -> None:
        self._settings = settings
        self._mounted = mounted
        self._followers = BoundedSemaphore(MAX_FOLLOWERS)

    def handle(self, request: Request) -> ResponseReturnValue:
        """Handle a request for a path below /system; raises NotFound, BadRequest or NotSupported."""
        match request.method, request.path.removeprefix("/system/").split("/"):
            case "GET" | "HEAD", ["functions"]:
                return jsonify([function.status for function in self._mounted.values()])
            case "GET" | "HEAD", ["function", name]:
                return jsonify(self._find(name).status)
            case "GET" | "HEAD", ["info"]:
                return jsonify(_info())
            case "GET" | "HEAD", ["secrets"]:
                return jsonify([{"name": name, "namespace": NAMESPACE} for name in self._secrets()])
            case "GET", ["logs"]:
                return self._logs(request)
            case _, [""]:
                raise NotFound("There is nothing at this path. Try /system/functions.")
        raise NotSupported(
            f"`soundlift up` does not support {request.method} {request.path}: it runs the functions of stack.yml "
            "with the settings of its environment. Change those, and start it again."
        )

    def _find(self, name: str) -> MountedFunction:
        if name not in self._mounted:
            raise NotFound(f"There is no function {name!r}. The functions are: {', '.join(self._mounted)}.")
        return self._mounted[name]

    def _secrets(self) -> list[str]:
        """Return the names of the functions' secrets that exist as files; the others are settings or defaults."""
        names = {secret for function in self._mounted.values() for secret in function.entry.secrets}
        return sorted(name for name in names if (self._settings.secrets_folder / name).exists())

    def _logs(self, request: Request) -> Response:
        """Return a function's lines of the gateway's log, each as a JSON object."""
        function = self._find(request.args.get("name", "")).entry.name
        follows = request.args.get("follow") == "true" and self._followers.acquire(blocking=False)
        try:
            lines = function_lines(
                function,
                self._settings.soundlift_data / "logs" / "gateway.log",
                since=_parse_time(request.args.get("since")),
                last=_parse_count(request.args.get("tail")),
                follow=_before_deadline(FOLLOW_SECONDS) if follows else lambda: False,
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


def _before_deadline(seconds: float) -> Callable[[], bool]:
    """Return a predicate that is true until `seconds` have passed or a shutdown begins."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() < deadline and not shutdown.is_overdue(0)


def _parse_time(text: str | None) -> datetime | None:
    """Parse a time with a time zone (RFC 3339); raises BadRequest."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequest(f"since={text!r} must be a time such as 2026-01-31T12:00:00Z.")
    return found


def _parse_count(text: str | None) -> int | None:
    """Parse a number of lines; None, zero and negative numbers mean all. Raises BadRequest."""
    if not text or text.startswith("-"):
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_LINES)):
        raise BadRequest(f"tail={text!r} must be an integer up to {MAX_LINES}.")
    return min(int(text), MAX_LINES) or None


def _info() -> Mapping[str, Any]:
    try:
        release = version("soundlift")
    except PackageNotFoundError:
        release = "unknown"
    soundlift = {"release": release, "sha": ""}
    provider = {"provider": "soundlift up", "orchestration": "one process", "version": soundlift}
    return {"provider": provider, "version": soundlift, "arch": platform.machine()}
