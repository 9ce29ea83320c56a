"""Downloads that the server redirects to its media store (RFC 9110, section 15.4.3)."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import urllib3

from soundlift.client.connection import Connection, Request, is_redirect
from soundlift.client.errors import ConnectionFailed
from soundlift.client.store_urls import is_safe_url

CONNECT_SECONDS = 5  # a store that cannot be reached from here often does not answer at all
FORWARDED = ("Accept-Encoding", "Range")  # never the token, which is for the server only
URL_TRIES = 2  # a URL works for a short time only
SENT = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)


class StoreRedirects:
    """The requests of one client for files: the media store answers them, unless it turns out to be of no use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._are_followed = True

    def open(self, request: Request, token: str) -> urllib3.BaseHTTPResponse:
        """Send a request, and return the response, whoever sends it; raises ApiError and ConnectionFailed."""
        tries = URL_TRIES if self._are_followed else 0
        for _ in range(tries):
            response = self._connection.open(request, token, may_redirect=True)
            if not is_redirect(response):
                return response
            response.drain_conn()
            response.release_conn()
            found = self._follow(request, response)
            if found is None:
                break
            if found.status in SENT:
                return found
            found.close()
            if found.status != HTTPStatus.FORBIDDEN:
                break
        self._are_followed = False
        return self._connection.open(replace(request, query={**request.query, "redirect": "false"}), token)

    def _follow(self, request: Request, redirect: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse | None:
        """Return the store's response, with the server's entity tag; None if the store cannot be used.

        The server knows the file by its own tag, so a download that is interrupted continues there.
        """
        url = redirect.headers["Location"]
        if not is_safe_url(url, self._connection.url):
            return None
        headers = {name: value for name, value in request.headers.items() if name in FORWARDED}
        try:
            found = self._connection.exchange(url, replace(request, headers=headers), connect_seconds=CONNECT_SECONDS)
        except ConnectionFailed:
            return None
        found.headers["ETag"] = redirect.headers["ETag"]
        return found
