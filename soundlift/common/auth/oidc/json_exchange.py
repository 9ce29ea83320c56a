"""Requests to an identity provider, whose answers are JSON: each takes a limited time, and has a limited size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SHUT_RDWR
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

from soundlift.common.errors import ProviderUnavailable, SettingError
from soundlift.common.json_text import read_json

MAX_BYTES = 256 * 1024  # a set of 16 RSA keys with certificates has less than 64 KiB
CHUNK = 16 * 1024
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Answer:
    """A status, and the JSON object in the body, empty if there is none."""

    status: int
    document: Mapping[str, Any]


class JsonExchange:
    """A sender of requests that follows no redirects, uses no proxy, and trusts the system's CAs or the one in a file.

    Every method raises ProviderUnavailable, or SettingError if OIDC_CA_FILE cannot be used.
    """

    def __init__(self, ca_file: str = "", *, seconds: float) -> None:
        """Make a sender whose requests end within so many seconds, including the resolution of the host's name."""
        self._ca_file = ca_file
        self.seconds = seconds

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Return the JSON object at a URL, empty if there is another kind of JSON."""
        answer = self._send("GET", url, None, headers or {})
        if answer.status != 200:
            raise ProviderUnavailable(f"{url} returned status {answer.status}.")
        return answer.document

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Send a form, and return the answer, whatever its status."""
        return self._send("POST", url, urlencode(form).encode(), {**FORM, **headers})

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request in a thread of its own: neither name resolution nor slow headers have a total timeout."""
        connection, answer = self._connection(url), Future[Answer]()
        path = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl() or "/"

        def run() -> None:
            try:
                connection.request(method, path, body, {"Accept": "application/json", "Connection": "close", **headers})
                with connection.getresponse() as response:
                    answer.set_result(_read(response, time.monotonic() + self.seconds))
            except BaseException as error:
                answer.set_exception(error)
            finally:
                connection.close()

        Thread(target=run, name="identity-provider", daemon=True).start()
        try:
            return answer.result(self.seconds)
        except TimeoutError:
            _abort(connection)
            raise ProviderUnavailable(f"{url} did not answer within {self.seconds:g} s.") from None
        except (OSError, HTTPException, ValueError) as error:
            raise ProviderUnavailable(f"{url} cannot be read: {error}.") from None

    def _connection(self, url: str) -> HTTPConnection:
        parts = urlsplit(url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            return HTTPSConnection(parts.hostname, parts.port, timeout=self.seconds, context=self._context)
        return HTTPConnection(parts.hostname, parts.port, timeout=self.seconds)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file or None)
        except OSError as error:
            message = f"Setting OIDC_CA_FILE: {self._ca_file} cannot be used: {error}."
            raise SettingError(message, setting="OIDC_CA_FILE") from None


def _read(response: HTTPResponse, deadline: float) -> Answer:
    """Return an answer that ends before a time of the monotonic clock; raises ValueError for anything but JSON."""
    body = bytearray()
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    try:
        document = read_json(bytes(body))
    except ValueError:
        if response.status == 200:
            raise ValueError("it is not JSON") from None
        document = None  # a proxy describes an error in its own way
    return Answer(response.status, document if isinstance(document, dict) else {})


def _abort(connection: HTTPConnection) -> None:
    """End the connection of a request that takes too long, so that its thread ends too."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(SHUT_RDWR)
