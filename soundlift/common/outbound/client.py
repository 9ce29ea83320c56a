"""The client of requests to addresses that strangers name."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from urllib3.connection import HTTPConnection

from soundlift.common.errors import SettingError
from soundlift.common.outbound.connections import Connector, PlainConnection, TlsConnection, tls_context
from soundlift.common.outbound.driver_errors import errors_as_ours
from soundlift.common.outbound.errors import AddressRefused, BadResponse, BadUrl
from soundlift.common.outbound.limits import Deadline
from soundlift.common.outbound.policy import OutboundPolicy
from soundlift.common.outbound.request import OutboundRequest
from soundlift.common.outbound.resolver import Resolver, system_resolver
from soundlift.common.outbound.response import OutboundResponse
from soundlift.common.outbound.sockets import Allowance
from soundlift.common.outbound.url import Url, parse_url
from soundlift.common.settings import Settings

HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Soundlift"}
REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110, section 15.4
SAFE = ("GET", "HEAD")
READ_AHEAD_BYTES = 8192  # of the body, which http.client's buffer may receive with the head
# What belongs to the first host only.
CREDENTIALS = ("authorization", "cookie", "proxy-authorization")


class OutboundClient:
    """A client that connects to permitted addresses only, uses no proxy and repeats no request. Thread-safe.

    Each request has a connection of its own. Compressed responses are refused, since they could grow without limit.
    """

    def __init__(self, policy: OutboundPolicy, *, ca_file: str = "", resolver: Resolver = system_resolver) -> None:
        self.policy = policy
        self._ca_file = ca_file
        self._resolver = resolver

    @classmethod
    def from_settings(cls, settings: Settings, resolver: Resolver = system_resolver) -> OutboundClient:
        """Return the client that OUTBOUND_ALLOW, OUTBOUND_PORTS and OUTBOUND_CA_FILE describe."""
        policy = OutboundPolicy(settings.outbound_allow, settings.outbound_ports)
        return cls(policy, ca_file=settings.outbound_ca_file, resolver=resolver)

    @contextmanager
    def open(self, request: OutboundRequest) -> Iterator[OutboundResponse]:
        """Send a request, and yield the response, whose body is read within the limits of the request.

        Each redirect is checked as the first URL was. Any status is a response, and no error. Raises an OutboundError,
        or SettingError if OUTBOUND_CA_FILE cannot be used.
        """
        follows = request.follow_redirects and request.method in SAFE
        total = Deadline(request.limits.total_seconds)
        headers: Mapping[str, str] = {**HEADERS, **request.headers}
        url = parse_url(request.url, self.policy)
        for _ in range(request.limits.max_redirects + 1):
            with self._exchange(request, url, headers, total) as response:
                location = response.headers.get("location")
                if not follows or response.status not in REDIRECTS or location is None:
                    yield response
                    return
            following = self._redirected(url, location)
            if following.origin != url.origin:
                headers = {name: value for name, value in headers.items() if name.lower() not in CREDENTIALS}
            url = following
        raise BadResponse(f"The server redirected more than {request.limits.max_redirects} times.")

    def _redirected(self, url: Url, location: str) -> Url:
        """Return where a redirect leads; raises AddressRefused."""
        try:
            following = url.join(location, self.policy)
        except BadUrl as error:
            raise AddressRefused(f"The server redirected to a URL that is refused. {error.detail}") from None
        if url.scheme == "https" and following.scheme == "http":
            raise AddressRefused("The server redirected from https to http, which is not secure.")
        return following

    @contextmanager
    def _exchange(
        self, request: OutboundRequest, url: Url, headers: Mapping[str, str], total: Deadline
    ) -> Iterator[OutboundResponse]:
        """Send the request to one URL, and yield the response; the connection is closed in the end.

        http.client passes the connection on to a response that is its last one, so both have to be closed.
        """
        limits = request.limits
        allowance = Allowance(total)
        connection = self._connection(url, allowance)
        try:
            with errors_as_ours(url):
                allowance.limit(seconds=limits.connect_seconds)
                connection.connect()
                allowance.limit(seconds=limits.head_seconds, max_bytes=limits.max_head_bytes + READ_AHEAD_BYTES)
                connection.request(
                    request.method, url.target, request.body, headers, preload_content=False, decode_content=False
                )
                raw = connection.getresponse()
            try:
                yield OutboundResponse(raw, url, limits, allowance)
            finally:
                raw.close()
        finally:
            connection.close()

    def _connection(self, url: Url, allowance: Allowance) -> HTTPConnection:
        connector = Connector(url, self.policy, self._resolver, allowance)
        if url.scheme == "https":
            return TlsConnection(url, connector, self._tls)
        return PlainConnection(url, connector)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        try:
            return tls_context(self._ca_file)
        except OSError as error:
            message = f"Setting OUTBOUND_CA_FILE: {self._ca_file} cannot be used: {error.strerror}."
            raise SettingError(message, setting="OUTBOUND_CA_FILE") from None
