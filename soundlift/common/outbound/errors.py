"""The errors of requests to addresses that strangers name."""

from __future__ import annotations

from typing import ClassVar


class OutboundError(Exception):
    """A request without a usable response.

    `detail` is one sentence for people. It contains neither the path or query of the URL, which may be secret, nor
    anything that the server has sent. Another attempt may succeed if `is_transient`.
    """

    is_transient: ClassVar[bool] = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadUrl(OutboundError):
    """A URL that no request is sent to, whatever its host resolves to."""


class AddressRefused(OutboundError):
    """A host with no address that requests may go to, or a redirect to such a host, or from https to http."""


class ConnectionFailed(OutboundError):
    """A host that is unknown or unreachable, whose certificate is not valid, or that broke the connection."""

    is_transient = True


class ResponseTimeout(OutboundError):
    """A server that was too slow."""

    is_transient = True


class BadResponse(OutboundError):
    """A response that is not valid HTTP, is compressed, has a too large head, or is one redirect too many."""


class ResponseTooLarge(OutboundError):
    """A response with more bytes than are accepted."""
