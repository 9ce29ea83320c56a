"""The client's HTTP connections and their time limits."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from soundlift.client.connection_errors import CONNECT_SECONDS, connection_errors
from soundlift.client.errors import BadArgument
from soundlift.client.responses import api_error, json_object

READ_SECONDS = 120
REDIRECTS = (HTTPStatus.FOUND, HTTPStatus.TEMPORARY_REDIRECT)
TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request below the deployment's address; `body` returns the body anew for each try.

    `wait` is the longest time in seconds without a byte of the response.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], bytes | Iterable[bytes]] | None = None
    wait: float = READ_SECONDS

    @classmethod
    def of_json(cls, method: str, path: str, document: Any, **parts: Any) -> Self:
        """Return a request with a JSON document as its body, or without a body for None."""
        if document is None:
            return cls(method=method, path=path, **parts)
        body = json.dumps(document).encode()
        headers = {**parts.pop("headers", {}), "Content-Type": "application/json"}
        return cls(method=method, path=path, body=lambda: body, headers=headers, **parts)

    @property
    def target(self) -> str:
        """Return the path with the query."""
        query = urlencode(self.query, errors="replace")
        return f"{self.path}?{query}" if query else self.path


class Connection:
    """HTTP connections to the deployment at `url`, at most `connections` of which are kept open between requests.

    Threads may share it. Further concurrent requests open connections of their own.
    """

    def __init__(self, url: str, connections: int) -> None:
        self.url = checked_url(url)
        # Keepalive packets find the connections that were lost while the machine slept or changed networks.
        options = [*HTTPConnection.default_socket_options, *keepalive_options()]
        self._pools = urllib3.PoolManager(maxsize=connections, socket_options=options)

    def close(self) -> None:
        """Close the connections that no request is using."""
        self._pools.clear()

    def json(self, request: Request, token: str | None = None) -> dict[str, Any]:
        """Send a request once, and return the JSON object in its response, which is empty for 204 No Content."""
        response = self.open(request, token)
        try:
            return {} if response.status == HTTPStatus.NO_CONTENT else json_object(response)
        finally:
            response.release_conn()

    def open(
        self, request: Request, token: str | None = None, *, may_redirect: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """Send a request once, and return a response with a status of success, whose body the caller reads.

        With `may_redirect`, it may also be a redirect to the file that is asked for, which has its entity tag; one to
        another document, such as the sign-in page of a proxy, has none. Raises ApiError and ConnectionFailed.

        The server may refuse a request and close the connection before the whole body has been sent; urllib3 still
        reads that response.
        """
        headers = dict(request.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {checked_token(token)}"
        response = self._send(self.url + request.target, request, headers, named=self.url)
        if response.status < HTTPStatus.MULTIPLE_CHOICES or (may_redirect and is_redirect(response)):
            return response
        try:
            raise api_error(response)
        finally:
            response.close()

    def exchange(
        self, url: str, request: Request, *, connect_seconds: float = CONNECT_SECONDS
    ) -> urllib3.BaseHTTPResponse:
        """Send a request once to another server, without the token, and return the response, whatever its status is.

        The path of the request is not used. Raises ConnectionFailed, whose sentence does not contain the URL: it may
        authorize its holder.
        """
        named = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
        return self._send(url, request, request.headers, named=named, connect_seconds=connect_seconds)

    def _send(
        self,
        url: str,
        request: Request,
        headers: Mapping[str, str],
        *,
        named: str,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        with connection_errors(named):
            return self._pools.request(
                request.method,
                url,
                body=request.body() if request.body else None,
                headers=headers,
                timeout=urllib3.Timeout(connect=connect_seconds, read=request.wait),
                retries=False,
                redirect=False,
                preload_content=False,
            )


def is_redirect(response: urllib3.BaseHTTPResponse) -> bool:
    """Return whether a response says where the requested file is, and which version of it."""
    return response.status in REDIRECTS and {"ETag", "Location"} <= set(response.headers)


def checked_url(url: str) -> str:
    """Return the address of a deployment without a slash at its end; raises BadArgument if it is not one of HTTP."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url or parts.query or parts.fragment:
        raise BadArgument(f"{url!r} is not the address of a deployment, such as https://soundlift.example.org.")
    return url.rstrip("/")


def checked_token(token: str) -> str:
    """Return a token that a header can hold; raises BadArgument for any other."""
    if not TOKEN.fullmatch(token):
        raise BadArgument("The token has characters that no token has; copy it again.")
    return token


def keepalive_options() -> list[tuple[int, int, int]]:
    """Return socket options that end a connection whose peer has not answered for a minute, as far as possible."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000)):
        if option := getattr(socket, name, None):
            options.append((socket.IPPROTO_TCP, option, value))
    return options
