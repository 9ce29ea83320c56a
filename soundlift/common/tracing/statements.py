"""One span for each SQL statement, with its text as SQLAlchemy compiled it: with placeholders, and without values."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from soundlift.common.tracing.spans import Kind, Span, begin_step, current_span, error_type

SPAN = "soundlift_span"
MAX_CHARS = 1000


def trace_statements(engine: Engine) -> None:
    """Record the statements of an engine that are executed within a span."""
    system = "mariadb" if getattr(engine.dialect, "is_mariadb", False) else engine.dialect.name

    @event.listens_for(engine, "before_cursor_execute", named=True)
    def begin(statement: str, context: Any, **_: Any) -> None:
        if context is not None and current_span() is not None:
            setattr(context, SPAN, _begin(system, statement, context))

    @event.listens_for(engine, "after_cursor_execute", named=True)
    def end(context: Any, **_: Any) -> None:
        _end(context)

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        _end(context.execution_context, error_type(context.original_exception))


def _begin(system: str, statement: str, context: Any) -> Span:
    operation, table = statement.split(None, 1)[0].upper(), _table(context)
    attributes = {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.collection.name": table,
        "db.query.text": statement[:MAX_CHARS],
    }
    return begin_step(
        f"{operation} {table}".strip(), Kind.CLIENT, {name: text for name, text in attributes.items() if text}
    )


def _end(context: Any, error: str = "") -> None:
    span: Span | None = getattr(context, SPAN, None)
    if span is not None:
        span.end(error)


def _table(context: Any) -> str:
    """Return the table that a statement changes or reads first, empty for text that SQLAlchemy did not compile."""
    statement = getattr(getattr(context, "compiled", None), "statement", None)
    tables = statement.get_final_froms() if isinstance(statement, sa.Select) else [getattr(statement, "table", None)]
    return next((table.name for table in tables if isinstance(table, sa.Table)), "")
