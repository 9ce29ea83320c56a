"""Names every error a client, an event or an operator can meet, with its HTTP status and code."""

from __future__ import annotations

from typing import Any, ClassVar

PROBLEM = "application/problem+json"  # RFC 9457
UNFORESEEN = "Something went wrong on our side. Give the operator this trace id, which is in the log: {trace_id}."


def code_of(phrase: str) -> str:
    """Return the code of an error that has none of its own, from the reason phrase of its status."""
    return phrase.lower().replace(" ", "_").replace("-", "_")


class SoundliftError(Exception):
    """Carries one sentence for a person, and as attributes the evidence that a program needs.

    `status`, `title` and `code` become the RFC 9457 problem document that runtime.py renders.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal Error"
    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str, **evidence: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.evidence = evidence

    @property
    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that belong to this error."""
        return {}

    @property
    def public_detail(self) -> str:
        """Return the sentence that a client is told."""
        return self.detail


class SettingError(SoundliftError):
    """Says to the operator which setting is missing or malformed, and what it should be."""

    status = 503
    title = "Not Set Up"
    code = "bad_setting"

    @property
    def public_detail(self) -> str:
        """Keep the operator's business from the client."""
        return "The service is not set up. Its log says what is missing."


class BadRequest(SoundliftError):
    """Refuses a request that cannot be understood."""

    status = 400
    title = "Bad Request"
    code = "bad_request"


class BadOption(BadRequest):
    """Refuses an option of an upload; its sentence names the option, the value, and what is allowed."""

    title = "Bad Option"
    code = "bad_option"


class BadEvent(BadRequest):
    """Refuses a body that is no CloudEvent of ours."""

    title = "Bad Event"
    code = "bad_event"


class NoEvent(BadEvent):
    """Refuses what does not even claim to be a CloudEvent."""


class NotAuthorized(SoundliftError):
    """Refuses a request whose bearer token proves nothing (RFC 6750, section 3)."""

    status = 401
    title = "Not Authorized"
    code = "not_authorized"
    challenge = 'Bearer realm="soundlift"'

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge that RFC 9110, section 11.6.1, asks of every 401."""
        return {"WWW-Authenticate": self.challenge}


class MissingCredentials(NotAuthorized):
    """Refuses a sign-in that names nobody (RFC 7617)."""

    title = "Missing Credentials"
    code = "missing_credentials"
    challenge = 'Basic realm="soundlift", charset="UTF-8"'


class InvalidCredentials(MissingCredentials):
    """Refuses a sign-in, without telling whether the account exists."""

    title = "Invalid Credentials"
    code = "invalid_credentials"


class NotFound(SoundliftError):
    """Says that there is no such thing, or none that this user may see."""

    status = 404
    title = "Not Found"
    code = "not_found"


class NotReady(SoundliftError):
    """Says that a job has no MP3 to give, yet or for good."""

    status = 409
    title = "Not Ready"
    code = "not_ready"


class Gone(SoundliftError):
    """Says that what was here has expired."""

    status = 410
    title = "Expired"
    code = "expired"


class TooLarge(SoundliftError):
    """Refuses a body over the size limit."""

    status = 413
    title = "Too Large"
    code = "too_large"


class TooSlow(SoundliftError):
    """A body whose bytes arrive at less than the least rate (RFC 9110, section 15.5.9)."""

    status = 408
    title = "Request Timeout"
    code = "request_timeout"


class UnsupportedMedia(SoundliftError):
    """Refuses a file of no format that Soundlift reads."""

    status = 415
    title = "Unsupported Media Type"
    code = "unsupported_media_type"


class NotSupported(SoundliftError):
    """A request for something that this server never does (RFC 9110, section 15.6.2)."""

    status = 501
    title = "Not Implemented"
    code = "not_implemented"


class Unavailable(SoundliftError):
    """Says that something Soundlift needs is away: try again after `retry_after` seconds."""

    status = 503
    title = "Unavailable"
    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 5, **evidence: Any) -> None:
        super().__init__(detail, **evidence)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Return Retry-After in seconds (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.retry_after)}


class DatabaseUnavailable(Unavailable):
    """Says that the database did not answer."""

    code = "database_unavailable"


class StoreUnavailable(Unavailable):
    """Says that the media store did not answer."""

    code = "store_unavailable"


class BrokerUnavailable(Unavailable):
    """Says that the broker did not confirm an event."""

    code = "broker_unavailable"


class MailUnavailable(Unavailable):
    """Says that the mail server is away, or does not want this mail now."""

    code = "mail_unavailable"


class Busy(Unavailable):
    """Says that this process has as much in work as it may: somebody else, or later (RFC 6585, section 4)."""

    status = 429
    title = "Too Many Requests"
    code = "busy"


class TooManyJobs(Busy):
    """Refusal of an upload of a user who has as many jobs in progress as the quota allows."""

    code = "too_many_jobs"


class StorageFull(SoundliftError):
    """Refusal of an upload of a user whose files leave too little of the quota.

    `retry_after` is in seconds, or None where waiting alone does not help.
    """

    status = 429
    title = "Storage Full"
    code = "storage_full"

    def __init__(self, detail: str, *, retry_after: int | None = None, **evidence: Any) -> None:
        super().__init__(detail, **evidence)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Return Retry-After in seconds (RFC 9110, section 10.2.3), where it helps to wait."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class MediaNotFound(NotFound):
    """Says that the media store has nothing under this id."""

    code = "media_not_found"


class MailRefused(SoundliftError):
    """Says that the mail server refuses this recipient for good."""

    status = 422
    title = "Mail Refused"
    code = "mail_refused"
