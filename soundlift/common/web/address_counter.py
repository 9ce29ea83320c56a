"""The number of connections of each client."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from soundlift.common.web.client_address import IPV6_PREFIX


class AddressCounter:
    """Connections by client: an IPv4 address, or an IPv6 network, all of whose addresses one client can use."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, address: str) -> int:
        """Count a connection, and return how many its client has."""
        client = _client(address)
        self._counts[client] += 1
        return self._counts[client]

    def remove(self, address: str) -> None:
        """Count the end of a connection."""
        client = _client(address)
        self._counts[client] -= 1
        if not self._counts[client]:
            del self._counts[client]


def _client(address: str) -> str:
    found = ip_address(address.partition("%")[0])
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or ip_network((found, IPV6_PREFIX), strict=False))
