"""A certificate is verified for the name in the URL, by the authorities of the system and those of a setting."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

import pytest

from devservers.certificates import Authority
from soundlift.common.errors import SettingError
from soundlift.common.outbound.client import OutboundClient
from soundlift.common.outbound.errors import AddressRefused, ConnectionFailed, ResponseTimeout
from soundlift.common.outbound.limits import OutboundLimits
from soundlift.common.outbound.request import OutboundRequest
from tests.outbound.servers import LOOPBACK, RawServer, dripped, redirect, response

BODY = bytes(range(256)) * 1000


class TlsServer(RawServer):
    """A RawServer behind TLS; its certificate is for localhost."""

    def __init__(self, answer: bytes, authority: Authority) -> None:
        super().__init__(answer)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*authority.issue())
        self.url = f"https://localhost:{self.port}"

    def wrap(self, connection: socket.socket) -> socket.socket:
        return self._context.wrap_socket(connection, server_side=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def trusting(ca_file: str | Path) -> OutboundClient:
    return OutboundClient(LOOPBACK, ca_file=str(ca_file), resolver=lambda _: ["127.0.0.1"])


def fetch(client: OutboundClient, url: str, limits: OutboundLimits | None = None) -> bytes:
    request = OutboundRequest(url=url, follow_redirects=True, limits=limits or OutboundLimits())
    with client.open(request) as found:
        return found.read_all()


def test_a_server_whose_authority_is_trusted_answers(authority: Authority) -> None:
    with TlsServer(response(BODY), authority).running() as server:
        assert fetch(trusting(authority.ca_file), server.url) == BODY


def test_a_certificate_for_another_name_or_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    with TlsServer(response(BODY), authority).running() as server:
        with pytest.raises(ConnectionFailed, match=r"certificate of https://other\.example"):
            fetch(trusting(authority.ca_file), f"https://other.example:{server.port}/secret?token=x")
        with pytest.raises(ConnectionFailed, match="certificate of https://localhost"):
            fetch(trusting(""), server.url)
        assert not server.heads


def test_a_redirect_from_https_to_http_is_refused(authority: Authority) -> None:
    with RawServer(response(BODY)).running() as plain, TlsServer(redirect(plain.url), authority).running() as server:
        with pytest.raises(AddressRefused, match="not secure"):
            fetch(trusting(authority.ca_file), server.url)
        assert not plain.heads


def test_a_server_that_drips_its_response_over_tls_ends_the_request_in_time(authority: Authority) -> None:
    def slowly(_: str) -> Iterable[bytes]:
        return dripped(response(BODY), seconds=0.05)

    with TlsServer(b"", authority).running() as server:
        server.answer = slowly
        with pytest.raises(ResponseTimeout):
            fetch(trusting(authority.ca_file), server.url, OutboundLimits(head_seconds=0.5, total_seconds=1))


def test_a_server_that_speaks_no_tls_or_nothing_is_an_error() -> None:
    with RawServer(response(BODY)).running() as server:
        secure = server.url.replace("http:", "https:")
        with pytest.raises((ConnectionFailed, ResponseTimeout)):
            fetch(trusting(""), secure, OutboundLimits(connect_seconds=0.5))


def test_a_file_of_authorities_that_cannot_be_used_is_an_error_of_the_setting(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for file in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        with pytest.raises(SettingError, match="OUTBOUND_CA_FILE"):
            fetch(trusting(file), "https://localhost/")
