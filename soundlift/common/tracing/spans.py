"""Spans: the timed steps of a trace, which are recorded only after `start_tracing`, and otherwise cost nothing.

A span names no user and no file: attributes are set one by one, from values of our own. The message of an error may
quote anything, so only its type or code is recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol

from soundlift.common.logging import TRACEPARENT, continue_trace

Value = str | int | float | bool
NO_ATTRIBUTES: Mapping[str, Value] = {}
CODE = re.compile("[a-z_]+")


class Kind(StrEnum):
    """The part that a span plays in an exchange (OpenTelemetry specification, SpanKind)."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """A step that has begun."""

    @property
    def traceparent(self) -> str:
        """Return the trace context for the callees of this step (W3C Trace Context, section 3.2)."""

    @property
    def is_recorded(self) -> bool:
        """Return whether the sampler chose this span, so that it will be sent."""

    def set(self, name: str, value: Value) -> None:
        """Set an attribute."""

    def end(self, error_type: str = "") -> None:
        """End the step, with the type or code of its error, if it failed; a second end has no effect."""


class Recorder(Protocol):
    """What makes spans; implemented in recorder.py, where OpenTelemetry is imported."""

    def begin(  # noqa: PLR0913 - what a span consists of
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None,
        links: Sequence[str],
        attributes: Mapping[str, Value],
        began: int | None,
    ) -> Span:
        """Begin a span, now or at `began`, in nanoseconds since 1970.

        `parent` and `links` are valid traceparents; without a parent, the span begins a new trace.
        """

    def stop(self, seconds: float) -> None:
        """Send what has been recorded, for at most so many seconds."""


class _NoSpan:
    """A step that is not recorded."""

    traceparent = ""
    is_recorded = False

    def set(self, name: str, value: Value) -> None:
        pass

    def end(self, error_type: str = "") -> None:
        pass


NO_SPAN: Span = _NoSpan()
_recorder: Recorder | None = None
_current: ContextVar[Span | None] = ContextVar("span", default=None)


def record_with(recorder: Recorder | None) -> Recorder | None:
    """Record spans with `recorder` from now on, or none; return the previous recorder."""
    global _recorder
    previous, _recorder = _recorder, recorder
    return previous


def is_on() -> bool:
    """Return whether spans are recorded."""
    return _recorder is not None


def current_span() -> Span | None:
    """Return the span that the current request or step belongs to, if it is recorded."""
    span = _current.get()
    return span if span is not None and span.is_recorded else None


def leave() -> None:
    """Forget the current span, at the end of a request."""
    _current.set(None)


def begin_span(  # noqa: PLR0913 - what a span consists of
    name: str,
    kind: Kind,
    *,
    parent: str | None = None,
    links: Sequence[str | None] = (),
    attributes: Mapping[str, Value] = NO_ATTRIBUTES,
    began: int | None = None,
) -> Span:
    """Begin a span and make it the current one; logs then carry the id of its trace.

    A malformed parent or link is ignored. `began` is in nanoseconds since 1970.
    """
    if _recorder is None:
        return NO_SPAN
    parent = parent if parent and TRACEPARENT.fullmatch(parent) else None
    valid = [link for link in dict.fromkeys(links) if link and TRACEPARENT.fullmatch(link)]
    span = _recorder.begin(name, kind, parent=parent, links=valid, attributes=attributes, began=began)
    _current.set(span)
    continue_trace(span.traceparent)
    return span


def begin_step(name: str, kind: Kind, attributes: Mapping[str, Value], *, links: Sequence[str | None] = ()) -> Span:
    """Begin a step of the current span without making it the current one; `links` of the same trace are ignored."""
    outer = current_span()
    if _recorder is None or outer is None:
        return NO_SPAN
    others = [link for link in links if link and TRACEPARENT.fullmatch(link) and _is_other_trace(link, outer)]
    return _recorder.begin(name, kind, parent=outer.traceparent, links=others, attributes=attributes, began=None)


@contextmanager
def span(
    name: str,
    kind: Kind = Kind.INTERNAL,
    attributes: Mapping[str, Value] = NO_ATTRIBUTES,
    *,
    expected: tuple[type[Exception], ...] = (),
    links: Sequence[str | None] = (),
) -> Iterator[Span]:
    """Record the block as a step of the current span; without one, such as in a thread of its own, record nothing.

    An error fails the step, unless it is of an `expected` type.
    """
    outer = current_span()
    if outer is None:
        yield NO_SPAN
        return
    step = begin_step(name, kind, attributes, links=links)
    _current.set(step)
    try:
        with _ended(step, expected):
            yield step
    finally:
        _current.set(outer)


@contextmanager
def span_in_trace(
    name: str,
    kind: Kind,
    traceparent: str | None,
    attributes: Mapping[str, Value] = NO_ATTRIBUTES,
    *,
    links: Sequence[str | None] = (),
) -> Iterator[Span]:
    """Record the block as a step of the trace of `traceparent`, which logs then carry, linked to the current span.

    If the current span is of the same trace already, or the traceparent is missing, the step is one of that span.
    """
    outer = _current.get()
    if outer is None or _is_other_trace(traceparent, outer):
        parent, links = traceparent, [*links, outer.traceparent if outer else None]
    else:
        parent = outer.traceparent
    step = begin_span(name, kind, parent=parent, links=links, attributes=attributes)
    try:
        with _ended(step):
            yield step
    finally:
        _current.set(outer)
        if outer is not None:
            continue_trace(outer.traceparent)


@contextmanager
def _ended(step: Span, expected: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """End a step with the block, and with its error."""
    try:
        yield
    except BaseException as error:
        step.end("" if isinstance(error, expected) else error_type(error))
        raise
    else:
        step.end()


def error_type(error: BaseException) -> str:
    """Return the code of one of our errors, or the name of another one's class."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and CODE.fullmatch(code) else type(error).__name__


def _is_other_trace(traceparent: str | None, span: Span) -> bool:
    return traceparent is not None and traceparent.split("-")[1:2] != span.traceparent.split("-")[1:2]
