"""Every error that a client, a publisher of events or an operator can get, with its HTTP status and code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

UNFINISHED_SECONDS = 60  # before it is worth a try whether another upload has ended
PROBLEM = "application/problem+json"  # RFC 9457
UNEXPECTED = "An unexpected error occurred; report this trace id to the operator, whose log contains it: {trace_id}."


def problem_code(phrase: str) -> str:
    """Return the code of an HTTP error, made from the reason phrase of its status."""
    return phrase.lower().replace(" ", "_").replace("-", "_")


class SoundliftError(Exception):
    """An error with one sentence for people, and attributes with details for the log.

    web/problems.py renders it as a problem document (RFC 9457) with its `status`, `title` and `code`.
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
        """Return the HTTP headers of the response to this error."""
        return {}

    @property
    def public_detail(self) -> str:
        """Return the sentence that clients see."""
        return self.detail


class SettingError(SoundliftError):
    """A missing or malformed setting; the sentence states what it must be."""

    status = 503
    title = "Not Set Up"
    code = "bad_setting"

    @property
    def public_detail(self) -> str:
        """Return a sentence that discloses no configuration."""
        return "The service is not configured completely; its log names the missing setting."


class BadRequest(SoundliftError):
    """A request that cannot be understood."""

    status = 400
    title = "Bad Request"
    code = "bad_request"


class BadOption(BadRequest):
    """An invalid option of an upload; the sentence names the option, its value, and what is allowed."""

    title = "Bad Option"
    code = "bad_option"


class BadSource(BadRequest):
    """A URL from which nothing is imported, whatever it leads to; the sentence names the rule."""

    title = "Bad URL"
    code = "bad_url"


class BadPassword(BadRequest):
    """A password that no account can have; the sentence states the rule."""

    title = "Bad Password"
    code = "bad_password"


class BadEvent(BadRequest):
    """A body that is not one of our CloudEvents."""

    title = "Bad Event"
    code = "bad_event"


class BadIdempotencyKey(BadRequest):
    """A header Idempotency-Key that is not a quoted string of a permitted length."""

    title = "Bad Idempotency Key"
    code = "bad_idempotency_key"


class NoEvent(BadEvent):
    """A message that is not a CloudEvent at all."""


class NotAuthorized(SoundliftError):
    """A request without a valid bearer token (RFC 6750, section 3)."""

    status = 401
    title = "Not Authorized"
    code = "not_authorized"
    challenge = 'Bearer realm="soundlift"'

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge that RFC 9110, section 11.6.1, requires of every 401."""
        return {"WWW-Authenticate": self.challenge}


class LinkExpired(NotAuthorized):
    """A signed link that was valid until its time was over."""

    title = "Link Expired"
    code = "link_expired"


class MissingCredentials(NotAuthorized):
    """A sign-in without credentials (RFC 7617)."""

    title = "Missing Credentials"
    code = "missing_credentials"
    challenge = 'Basic realm="soundlift", charset="UTF-8"'


class InvalidCredentials(MissingCredentials):
    """A failed sign-in, which does not reveal whether the account exists."""

    title = "Invalid Credentials"
    code = "invalid_credentials"


class InvalidJsonCredentials(InvalidCredentials):
    """A failed sign-in of a page. A Basic challenge would make the browser open a password dialog of its own."""

    challenge = NotAuthorized.challenge


class InvalidSession(NotAuthorized):
    """A refresh token that is unknown, has expired or was replaced; it does not reveal which."""

    title = "Invalid Session"
    code = "invalid_session"


class ProviderSignInRefused(NotAuthorized):
    """A sign-in with the identity provider that failed, because of its code or its ID token."""

    title = "Provider Sign-In Refused"
    code = "provider_sign_in_refused"


class Forbidden(SoundliftError):
    """A request for something that this user may not do."""

    status = 403
    title = "Forbidden"
    code = "forbidden"


class InsufficientScope(Forbidden):
    """A request with an API key that lacks a scope, or that no key may make (RFC 6750, section 3.1)."""

    title = "Insufficient Scope"
    code = "insufficient_scope"

    def __init__(self, detail: str, *, scope: str | None = None) -> None:
        super().__init__(detail)
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge with the scope that is necessary, if a key can have it."""
        scope = f', scope="{self.scope}"' if self.scope else ""
        return {"WWW-Authenticate": f'{NotAuthorized.challenge}, error="insufficient_scope"{scope}'}


class AddressNotAllowed(Forbidden):
    """A sign-up with an address of another domain than the deployment allows."""

    title = "Address Not Allowed"
    code = "address_not_allowed"


class UnverifiedAddress(Forbidden):
    """A sign-in with the identity provider whose email address the provider has not verified."""

    title = "Unverified Address"
    code = "unverified_address"


class NoAccount(Forbidden):
    """A sign-in with the identity provider whose email address has no account here."""

    title = "No Account"
    code = "no_account"


class AccountDisabled(Forbidden):
    """A sign-in with the identity provider to a disabled account."""

    title = "Account Disabled"
    code = "account_disabled"


class CrossSiteRequest(Forbidden):
    """A request that only pages of this service may send, but may come from a page of another site."""

    title = "Cross-Site Request"
    code = "cross_site_request"


class NotFound(SoundliftError):
    """Something that does not exist, or that this user may not see."""

    status = 404
    title = "Not Found"
    code = "not_found"


class NoWaveform(NotFound):
    """A job without a waveform, because it has no audio file, or its levels are unknown."""

    code = "no_waveform"


class NotReady(SoundliftError):
    """A job without an audio file, or whose audio file is not ready yet."""

    status = 409
    title = "Not Ready"
    code = "not_ready"


class NotRetryable(SoundliftError):
    """A job whose conversion cannot be started again, because it has not failed."""

    status = 409
    title = "Not Retryable"
    code = "not_retryable"


class TooManyKeys(SoundliftError):
    """A new API key of a user who has the most that one may have."""

    status = 409
    title = "Too Many API Keys"
    code = "too_many_keys"


class UploadInProgress(SoundliftError):
    """An upload whose key belongs to another one that is in progress; retry after `retry_after` seconds."""

    status = 409
    title = "Upload In Progress"
    code = "upload_in_progress"

    def __init__(self, *, retry_after: int = 1) -> None:
        super().__init__("An upload with this Idempotency-Key is in progress; repeat the request later.")
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Return Retry-After in seconds (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.retry_after)}


class UploadIncomplete(SoundliftError):
    """A direct upload of which parts are missing in the media store, or have another size than announced."""

    status = 409
    title = "Upload Incomplete"
    code = "upload_incomplete"


class OffsetConflict(SoundliftError):
    """A part of a resumable upload that does not continue it where it ends (tus 1.0, PATCH)."""

    status = 409
    title = "Offset Conflict"
    code = "offset_conflict"


class UploadSuperseded(OffsetConflict):
    """A request of a resumable upload that another one has taken the place of."""

    code = "upload_superseded"

    def __init__(self) -> None:
        super().__init__("Another request continues this upload. Ask for its offset, and continue there.")


class Gone(SoundliftError):
    """Something that has expired."""

    status = 410
    title = "Expired"
    code = "expired"


class UploadDeleted(Gone):
    """An upload that was cancelled, or whose job was deleted."""

    title = "Upload Deleted"
    code = "upload_deleted"


class InvalidLink(SoundliftError):
    """A link for choosing a password that does not, or no longer, exist; it does not reveal which."""

    status = 410
    title = "Invalid Link"
    code = "invalid_link"


class UnsupportedProtocol(SoundliftError):
    """A request of a resumable upload without a version of tus that is supported (tus 1.0, Protocol Versioning)."""

    status = 412
    title = "Precondition Failed"
    code = "unsupported_protocol"


class TooLarge(SoundliftError):
    """A body over the size limit."""

    status = 413
    title = "Too Large"
    code = "too_large"


class TooSlow(SoundliftError):
    """A body that arrives below the minimum rate (RFC 9110, section 15.5.9)."""

    status = 408
    title = "Request Timeout"
    code = "request_timeout"


class UnsupportedMedia(SoundliftError):
    """A file of a format that is not supported."""

    status = 415
    title = "Unsupported Media Type"
    code = "unsupported_media_type"


class IdempotencyKeyReused(SoundliftError):
    """An upload whose key belongs to an upload of something else."""

    status = 422
    title = "Idempotency Key Reused"
    code = "idempotency_key_reused"


class ChecksumMismatch(SoundliftError):
    """A part of a resumable upload that does not have the checksum that was sent with it (tus 1.0, Checksum)."""

    status = 460
    title = "Checksum Mismatch"
    code = "checksum_mismatch"


class UnsupportedEncoding(UnsupportedMedia):
    """A body with a content coding (RFC 9110, section 8.4)."""

    @property
    def headers(self) -> dict[str, str]:
        """Return the content codings that are accepted (RFC 9110, section 12.5.3)."""
        return {"Accept-Encoding": "identity"}


class NotSupported(SoundliftError):
    """A request for something that this server does not support (RFC 9110, section 15.6.2)."""

    status = 501
    title = "Not Implemented"
    code = "not_implemented"


class DirectUnavailable(NotSupported):
    """A direct upload to a deployment that has none, because its media store is not S3, or by its settings."""

    title = "Direct Upload Unavailable"
    code = "direct_unavailable"


class Unavailable(SoundliftError):
    """A dependency that is unavailable; retry after `retry_after` seconds."""

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
    """A database that did not answer."""

    code = "database_unavailable"


class StoreUnavailable(Unavailable):
    """A media store that did not answer."""

    code = "store_unavailable"


class BrokerUnavailable(Unavailable):
    """A broker that did not confirm an event."""

    code = "broker_unavailable"


class MailUnavailable(Unavailable):
    """A mail server that is unavailable, or temporarily rejects this mail."""

    code = "mail_unavailable"


class ProviderUnavailable(Unavailable):
    """An identity provider that did not answer, or not as it should; the sentence is for the operator."""

    code = "provider_unavailable"

    @property
    def public_detail(self) -> str:
        """Return a sentence that discloses no configuration."""
        return "The sign-in provider cannot be used at the moment. Try again later, or sign in with a password."


class QueueFull(Unavailable):
    """An upload while too many jobs wait for conversion.

    It is a 503 (RFC 9110, section 15.6.4) because the service is overloaded. A 429 would state that this user has sent
    too many requests (RFC 6585, section 4).
    """

    title = "Queue Full"
    code = "queue_full"


class Busy(Unavailable):
    """A process at its concurrency limit; retry, perhaps with another replica (RFC 6585, section 4)."""

    status = 429
    title = "Too Many Requests"
    code = "busy"


class TooManyAttempts(Busy):
    """An attempt at something that is locked for a while, because it was attempted too often."""

    title = "Too Many Attempts"
    code = "too_many_attempts"


class TooManyJobs(Busy):
    """An upload of a user at the limit of unfinished jobs."""

    code = "too_many_jobs"


class TooManyUploads(Busy):
    """An upload of a user at the limit of uploads per hour; `rate_limit` are the header fields that state the limit."""

    code = "too_many_uploads"

    def __init__(self, detail: str, *, retry_after: int, rate_limit: Mapping[str, str]) -> None:
        super().__init__(detail, retry_after=retry_after)
        self._rate_limit = rate_limit

    @property
    def headers(self) -> dict[str, str]:
        """Return Retry-After, and the limit."""
        return {**super().headers, **self._rate_limit}


class TooManyUnfinishedUploads(Busy):
    """A resumable upload of a user at the limit of unfinished ones."""

    code = "too_many_unfinished_uploads"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after=UNFINISHED_SECONDS)


class TooManyMinutes(Busy):
    """An upload, or the conversion of a file, beyond the minutes of sound that its user may have converted in a day."""

    code = "daily_minutes_exceeded"


class StorageFull(SoundliftError):
    """An upload that exceeds the remaining storage quota of its user.

    `retry_after` is in seconds, or None if waiting does not help.
    """

    status = 429
    title = "Storage Full"
    code = "storage_full"

    def __init__(self, detail: str, *, retry_after: int | None = None, **evidence: Any) -> None:
        super().__init__(detail, **evidence)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Return Retry-After in seconds (RFC 9110, section 10.2.3), if waiting helps."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class MediaNotFound(NotFound):
    """An id that the media store does not contain."""

    code = "media_not_found"


class MailRefused(SoundliftError):
    """A mail that the mail server rejects permanently."""

    status = 422
    title = "Mail Refused"
    code = "mail_refused"
