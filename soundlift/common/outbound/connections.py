"""Connections to checked addresses.

urllib3's connections keep the name of the host, which the Host header, SNI and the check of the certificate need; only
the address that they connect to is ours. Overriding `_new_conn`, a private method, is what other projects do as well,
and urllib3 has no public way (https://github.com/urllib3/urllib3/issues/1617). tests/contract/test_outbound.py holds
urllib3 to it.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv6Address

from urllib3.connection import HTTPConnection, HTTPSConnection

from soundlift.common.outbound.errors import AddressRefused, ConnectionFailed
from soundlift.common.outbound.limits import Deadline
from soundlift.common.outbound.policy import Address, OutboundPolicy, plain_address
from soundlift.common.outbound.resolver import Resolver, resolve
from soundlift.common.outbound.sockets import Allowance, BoundedSocket, BoundedTlsSocket
from soundlift.common.outbound.url import Url

# It warns of malformed headers with the complete URL, which may be secret.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


class Connector:
    """The opener of TCP connections to the permitted addresses of one host."""

    def __init__(self, url: Url, policy: OutboundPolicy, resolver: Resolver, allowance: Allowance) -> None:
        self._url = url
        self._policy = policy
        self._resolver = resolver
        self.allowance = allowance

    def connect(self) -> BoundedSocket:
        """Connect to the first permitted address that answers.

        Raises AddressRefused if there is none, ConnectionFailed or ResponseTimeout.
        """
        addresses = self._addresses()
        deadline = self.allowance.deadline
        for tried, address in enumerate(addresses):
            # Each of the others gets its share of the time, even if this one never answers.
            share = Deadline(deadline.remaining() / (len(addresses) - tried))
            with suppress(OSError):
                return self._connect_to(address, share)
        deadline.remaining()  # raises ResponseTimeout if the time is over
        raise ConnectionFailed(f"No connection to {self._url.origin} could be made.")

    def _addresses(self) -> Sequence[Address]:
        host = self._url.host
        literal = plain_address(host)
        texts = [host] if literal else resolve(self._resolver, host, self.allowance.deadline)
        found = [address for text in texts if (address := plain_address(text))]
        permitted = [address for address in found if self._policy.permits(host, address)]
        if not permitted:
            raise AddressRefused(f"{self._url.origin} has no address on the public internet.")
        return permitted

    def _connect_to(self, address: Address, deadline: Deadline) -> BoundedSocket:
        """Connect to an address; raises OSError, or AddressRefused if the peer is another one, as behind a proxy."""
        connection = BoundedSocket(socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET)
        try:
            connection.allowance = self.allowance
            connection.settimeout(deadline.remaining())
            connection.connect((str(address), self._url.port))
            if plain_address(str(connection.getpeername()[0])) != address:
                raise AddressRefused(f"The connection to {self._url.origin} reached another address.")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        return connection


class PlainConnection(HTTPConnection):
    """A connection for http."""

    def __init__(self, url: Url, connector: Connector) -> None:
        super().__init__(url.host, url.port)
        self._connector = connector

    def _new_conn(self) -> socket.socket:
        return self._connector.connect()


class TlsConnection(HTTPSConnection):
    """A connection for https, whose certificate is verified for the name in the URL."""

    def __init__(self, url: Url, connector: Connector, context: ssl.SSLContext) -> None:
        super().__init__(url.host, url.port, ssl_context=context)
        self._connector = connector

    def _new_conn(self) -> socket.socket:
        connection = self._connector.connect()
        connection.settimeout(self._connector.allowance.deadline.remaining())  # for the handshake
        return connection

    def connect(self) -> None:
        """Connect and verify the certificate, then give the socket its allowance."""
        super().connect()
        assert isinstance(self.sock, BoundedTlsSocket)
        self.sock.allowance = self._connector.allowance


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """Return a context with the authorities of the system, and those of a file; raises OSError if it is not usable."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = BoundedTlsSocket
    return context
