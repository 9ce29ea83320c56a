"""The logs of libraries, which use Python's logging: one line each, as our own."""

from __future__ import annotations

import logging

import structlog

log = structlog.get_logger()


class LibraryLogs(logging.Handler):
    """A handler that logs the message and the last line of the error, and no stack trace.

    SQLAlchemy, for example, would print a stack trace for each connection that it loses to a restarted database.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, with the name of the library's logger."""
        error = record.exc_info[1] if record.exc_info else None
        cause = {"cause": " ".join(f"{type(error).__name__}: {error}".split())} if error else {}
        log.log(record.levelno, _message(record), logger=record.name, **cause)


def _message(record: logging.LogRecord) -> str:
    """Return the text of a record; the library may have given it arguments that do not fit."""
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


def log_for_libraries() -> None:
    """Log the warnings and errors of all libraries that have no handler of their own, as gunicorn has."""
    logging.lastResort = LibraryLogs(logging.WARNING)
