"""The network of the client that sent a request, behind the proxies that TRUSTED_PROXIES names.

A proxy appends the address of its own client to X-Forwarded-For, so the header is read from its right end, as long as
the addresses there are those of trusted proxies. What is further left was sent by the client, and may be forged.

`Forwarded` (RFC 7239) is not read: proxies that set only X-Forwarded-For, such as nginx, pass on a `Forwarded` that the
client has sent.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import Request

from soundlift.common.settings import Settings

MAX_HOPS = 16
IPV4_PREFIX, IPV6_PREFIX = 24, 64  # what one client usually has: a small network, or a line's own network

Address = IPv4Address | IPv6Address


def client_network(request: Request, settings: Settings) -> str | None:
    """Return the network in which a client's attempts are counted together, such as 192.0.2.0/24 or 2001:db8::/64.

    Returns None if a trusted proxy does not disclose its client: all clients would be counted together.
    """
    address = _client(request, settings)
    if address is None or _is_trusted(address, settings):
        return None
    prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return str(ip_network((address, prefix), strict=False))


def _client(request: Request, settings: Settings) -> Address | None:
    """Return the client's address; that of the peer if X-Forwarded-For is malformed, and None for a Unix socket."""
    peer = address = parse_address(request.remote_addr or "")
    hops = request.headers.get("X-Forwarded-For", "").rsplit(",", MAX_HOPS)[-MAX_HOPS:]
    while address is not None and hops[-1].strip() and _is_trusted(address, settings):
        address = parse_address(hops.pop())
        if address is None or not hops:
            return address or peer
    return address


def _is_trusted(address: Address, settings: Settings) -> bool:
    return any(address in network for network in settings.trusted_proxies)


def parse_address(text: str) -> Address | None:
    """Return an address, which may have a port, as OpenFaaS's gateway writes it; None for anything else.

    An IPv4 address is returned as such, even if a socket for both versions of IP writes it as an IPv6 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
