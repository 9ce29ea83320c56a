"""Errors that the client raises."""

from __future__ import annotations


class ClientError(Exception):
    """Base class of the client's errors; `detail` is one sentence for a person."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ConnectionFailed(ClientError):
    """No server answered at the address, the answer was not Soundlift's, or a transfer was interrupted."""


class ApiError(ClientError):
    """A refusal by the server, with the fields of its problem document (RFC 9457)."""

    def __init__(self, status: int, *, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
