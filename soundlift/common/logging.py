"""Writes structured logs: one JSON object a line, with the job and trace they belong to."""

from __future__ import annotations

import json
import logging
import math
import random
import re
from contextvars import ContextVar

import structlog
from structlog.typing import EventDict

from soundlift.common.log_lines import LogLines

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_encode = json.JSONEncoder(default=repr, allow_nan=False).encode  # kept: json.dumps makes a new one for each line


def _as_json(logger: object, name: str, event: EventDict) -> str:
    try:
        return _encode(event)
    except ValueError:  # NaN or Infinity, which are no JSON: rare enough to look for only then
        return _encode(_with_finite_numbers(event))


def _with_finite_numbers(value: object) -> object:
    """Return a value with its NaN and Infinity as texts."""
    if isinstance(value, dict):
        return {name: _with_finite_numbers(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_finite_numbers(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def set_up_logging(level: str) -> None:
    """Send this process's logs to standard output, from `level` up; a line that cannot be written is dropped."""
    lines = LogLines()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )


_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def begin_trace(traceparent: str | None, **context: str) -> None:
    """Bind the trace id of a caller's traceparent (W3C Trace Context, section 3.2), or of a new one, to all logs.

    `context` is bound with it, and whatever was bound before is not bound any more.
    """
    if traceparent is None or not TRACEPARENT.fullmatch(traceparent):
        # No secret: and for the system's random bytes another thread would get its turn first.
        traceparent = f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01"
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(trace_id=traceparent.split("-")[1], **context)
    _traceparent.set(traceparent)


def end_trace() -> None:
    """Forget the trace, the job and all else that was bound to logs: the next request on this thread is another."""
    structlog.contextvars.clear_contextvars()
    _traceparent.set(None)


def current_traceparent() -> str | None:
    """Return the traceparent of the request at hand, to be handed on."""
    return _traceparent.get()


def trace_id() -> str:
    """Return the trace id of the request at hand, 32 hex digits; empty where none has begun."""
    return (_traceparent.get() or "--").split("-")[1]


def bind_job(job_id: str) -> None:
    """Add a job's id to all logs of this request."""
    structlog.contextvars.bind_contextvars(job_id=job_id)


def continue_trace(traceparent: str | None) -> None:
    """Continue the trace stored in the job's row: a broker may have lost the event's, or put its own in its place."""
    if traceparent is not None and TRACEPARENT.fullmatch(traceparent):
        structlog.contextvars.bind_contextvars(trace_id=traceparent.split("-")[1])
        _traceparent.set(traceparent)
