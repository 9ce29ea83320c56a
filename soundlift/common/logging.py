"""Structured logs: one JSON object per line, with the job and the trace it belongs to."""

from __future__ import annotations

import json
import logging
import math
import random
import re
from collections.abc import Callable
from contextvars import ContextVar

import structlog
from structlog.typing import EventDict

from soundlift.common.library_logs import log_for_libraries
from soundlift.common.log_lines import LogLines

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def _encode(event: object) -> str:
    return json.dumps(event, default=repr, allow_nan=False)


def _as_json(logger: object, name: str, event: EventDict) -> str:
    try:
        return _encode(event)
    except ValueError:  # NaN or Infinity, which JSON does not allow
        return _encode(_with_finite_numbers(event))


def _with_finite_numbers(value: object) -> object:
    """Return a value with NaN and Infinity as strings."""
    if isinstance(value, dict):
        return {name: _with_finite_numbers(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_finite_numbers(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def set_up_logging(level: str) -> None:
    """Send logs of `level` and above to standard output; a line that cannot be written is dropped."""
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
    log_for_libraries()


_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def begin_trace(traceparent: str | None, **context: str) -> None:
    """Bind the trace id of a caller's traceparent (W3C Trace Context, section 3.2), or a new one, to all logs.

    `context` is bound too; everything bound before is unbound.
    """
    if traceparent is None or not TRACEPARENT.fullmatch(traceparent):
        # The id is not a secret, and reading the system's random bytes would release the interpreter lock.
        traceparent = f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01"
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(trace_id=traceparent.split("-")[1], **context)
    _traceparent.set(traceparent)


def end_trace() -> None:
    """Unbind everything from the logs, so that the next request on this thread does not inherit it."""
    structlog.contextvars.clear_contextvars()
    _traceparent.set(None)


def current_traceparent() -> str | None:
    """Return the traceparent of the current request, to be passed on."""
    return _traceparent.get()


def trace_id() -> str:
    """Return the trace id of the current request, 32 hex digits; empty outside a request."""
    return (_traceparent.get() or "--").split("-")[1]


def trace_of(traceparent: str | None) -> dict[str, str]:
    """Return the trace id of a traceparent as a field for a log line, none if there is no valid one."""
    valid = traceparent is not None and TRACEPARENT.fullmatch(traceparent)
    return {"trace_id": valid[1]} if valid else {}


def with_log_context(run: Callable[[], None]) -> Callable[[], None]:
    """Return a function for another thread, which logs everything that is bound here and now, and calls `run`."""
    bound, traceparent = structlog.contextvars.get_contextvars(), _traceparent.get()

    def run_with_context() -> None:
        structlog.contextvars.bind_contextvars(**bound)
        _traceparent.set(traceparent)
        run()

    return run_with_context


def bind_job(job_id: str) -> None:
    """Bind a job's id to all logs of the current request."""
    structlog.contextvars.bind_contextvars(job_id=job_id)


def continue_trace(traceparent: str | None) -> None:
    """Continue the trace stored in the job's row: a broker may have dropped or replaced the event's."""
    if traceparent is not None and TRACEPARENT.fullmatch(traceparent):
        structlog.contextvars.bind_contextvars(trace_id=traceparent.split("-")[1])
        _traceparent.set(traceparent)
