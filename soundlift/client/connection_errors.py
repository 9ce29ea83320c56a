"""The errors of HTTP connections, as sentences."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from soundlift.client.errors import ConnectionFailed

CONNECT_SECONDS = 20
WITHOUT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


@contextmanager
def connection_errors(url: str = "The server") -> Iterator[None]:
    """Raise ConnectionFailed, with a sentence about `url`, in place of urllib3's errors."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise _connection_failed(url, error) from None


def _connection_failed(url: str, error: urllib3.exceptions.HTTPError) -> ConnectionFailed:
    match error:
        case urllib3.exceptions.NewConnectionError():
            detail = f"Cannot connect to {url} ({_system_message(error)})."
            return ConnectionFailed(detail, temporary=True, unsent=True)
        case urllib3.exceptions.ConnectTimeoutError():
            detail = f"Cannot connect to {url} (no answer within {CONNECT_SECONDS} s)."
            return ConnectionFailed(detail, temporary=True, unsent=True)
        case urllib3.exceptions.ReadTimeoutError():
            return ConnectionFailed(f"{url} did not answer in time.", temporary=True)
        case urllib3.exceptions.ProtocolError() | urllib3.exceptions.SSLError() if _is_interruption(error):
            return ConnectionFailed(f"The connection to {_named(url)} was interrupted.", temporary=True)
        case urllib3.exceptions.SSLError() if _tls_problem(error, url):
            return ConnectionFailed(str(_tls_problem(error, url)))
        case _:
            return ConnectionFailed(f"{url} did not give a valid answer: {error}")


def _is_interruption(error: Exception) -> bool:
    """Return whether a connection was closed or lost, rather than used for something other than HTTP."""
    causes = [error, error.__cause__, error.__context__, *error.args]
    if isinstance(error, urllib3.exceptions.SSLError):
        return any(isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) for cause in causes)
    invalid = [cause for cause in causes if isinstance(cause, http.client.HTTPException)]
    return all(isinstance(cause, http.client.RemoteDisconnected | http.client.IncompleteRead) for cause in invalid)


def _tls_problem(error: urllib3.exceptions.SSLError, url: str) -> str | None:
    """Return a sentence about a server without TLS, or with a certificate that is not trusted; None for others."""
    cause = next((cause for cause in (*error.args, error.__cause__) if isinstance(cause, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate of {_named(url)} is not trusted: {cause.verify_message}."
    if cause is not None and cause.reason in WITHOUT_TLS:
        return f"The server at {url} does not use TLS. Try http:// instead of https://."
    return None


def _named(url: str) -> str:
    return "the server" if url == "The server" else url


def _system_message(error: urllib3.exceptions.NewConnectionError) -> str:
    """Return the operating system's message about a failed connection."""
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or str(error)
