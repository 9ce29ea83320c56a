"""Errors that the client raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundlift.client.job import Job


class ClientError(Exception):
    """Base class of the client's errors; `detail` is one sentence for a person."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadArgument(ClientError, ValueError):
    """An argument that cannot be sent to any server, such as an address that is not one of HTTP."""


class FileChanged(ClientError):
    """A file that became shorter while it was being sent."""


class ConnectionFailed(ClientError):
    """No server answered at the address, the answer was not Soundlift's, or a transfer was interrupted.

    `temporary` errors may disappear by themselves, such as those of a restarting server. If `unsent`, the server
    cannot have received the request.
    """

    def __init__(self, detail: str, *, temporary: bool = False, unsent: bool = False) -> None:
        super().__init__(detail)
        self.temporary = temporary
        self.unsent = unsent


class ApiError(ClientError):
    """A refusal by the server, with the fields of its problem document (RFC 9457).

    `retry_after` is the number of seconds after which the server suggests another try, if it does.
    """

    def __init__(self, status: int, *, code: str, title: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.retry_after = retry_after


class NotSupported(ApiError):
    """A refusal by a server that is older than the client, and lacks what the method needs."""


class NotConverted(ClientError):
    """A conversion that ended without an audio file; `job` says why."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.error or f"The job was {job.state} before its audio file was ready.")
        self.job = job


class OtherFormat(ClientError):
    """An original track in another format than the file name asks for; `job` has it, ready to be downloaded."""

    def __init__(self, job: Job, path: str) -> None:
        super().__init__(f"The audio is {job.format}, which does not fit the name {path}.")
        self.job = job
