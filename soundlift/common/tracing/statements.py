"""One span for each SQL statement, with its text as SQLAlchemy compiled it: with placeholders, and without values."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from soundlift.common.tracing.spans import Kind, Span, begin_step, current_span, error_type

SPAN = "soundlift_span"
MAX_CHARS = 1000
FIRST_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+[`\"]?([a-z_]+)")


def trace_statements(engine: Engine) -> None:
    """Record the statements of an engine that are executed within a span."""

    @event.listens_for(engine, "before_cursor_execute", named=True)
    def begin(statement: str, context: Any, **_: Any) -> None:
        if context is not None and current_span() is not None:
            setattr(context, SPAN, _begin(_system(engine), statement))

    @event.listens_for(engine, "after_cursor_execute", named=True)
    def end(context: Any, **_: Any) -> None:
        _end(context)

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        _end(context.execution_context, error_type(context.original_exception))


def _begin(system: str, statement: str) -> Span:
    operation, table = statement.split(None, 1)[0].upper(), FIRST_TABLE.search(statement)
    attributes = {"db.system.name": system, "db.operation.name": operation, "db.query.text": statement[:MAX_CHARS]}
    if table is None:
        return begin_step(operation, Kind.CLIENT, attributes)
    attributes["db.collection.name"] = table[1]
    return begin_step(f"{operation} {table[1]}", Kind.CLIENT, attributes)


def _system(engine: Engine) -> str:
    """Return the name of a database, which SQLAlchemy knows once it is connected."""
    return "mariadb" if getattr(engine.dialect, "is_mariadb", False) else engine.dialect.name


def _end(context: Any, error: str = "") -> None:
    span: Span | None = getattr(context, SPAN, None)
    if span is not None:
        span.end(error)
