"""The addresses and ports that requests may go to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from soundlift.common.setting_types import DOMAIN

Address = IPv4Address | IPv6Address
Destination = IPv4Network | IPv6Network | str
ALL_PORTS = "*"
MAX_PORT = 65535

# Python's `is_global` is true for these too, in 3.11.
NOT_PUBLIC_4 = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
# Only this range is assigned to hosts (IANA, IPv6 Global Unicast Address Assignments); so there is no list of all other
# ranges, some of which contain IPv4 addresses: mapped, NAT64 (RFC 6052), compatible.
GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
# Special purposes (RFC 6890) with Teredo, examples (RFC 3849, RFC 9637), and 6to4 with its IPv4 addresses (RFC 3056).
NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public internet's, and contains no other address that is not."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        return address in GLOBAL_UNICAST_6 and not any(address in network for network in NOT_PUBLIC_6)
    return address.is_global and not address.is_multicast and not any(address in each for each in NOT_PUBLIC_4)


def plain_address(text: str) -> Address | None:
    """Return the address that a text is, an IPv4-mapped one as IPv4; None for any other text."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@dataclass(frozen=True)
class OutboundPolicy:
    """What requests may reach: public addresses, those of `allowed` hosts and networks, and `ports`, all if empty."""

    allowed: tuple[Destination, ...] = ()
    ports: tuple[int, ...] = (80, 443)

    def permits(self, host: str, address: Address) -> bool:
        """Return whether a request for a host may go to one of its addresses."""
        if is_public(address) or host in self.allowed:
            return True
        return any(address in each for each in self.allowed if not isinstance(each, str))

    def permits_port(self, port: int) -> bool:
        """Return whether a request may go to a port."""
        return not self.ports or port in self.ports


def destinations(text: str) -> tuple[Destination, ...]:
    """Return hosts, addresses and networks separated by commas; the parser of a setting."""
    return tuple(_destination(each.strip().lower()) for each in text.split(",") if each.strip())


def _destination(text: str) -> Destination:
    try:
        return ip_network(text)
    except ValueError:
        last = text.rpartition(".")[2]
        if not DOMAIN.fullmatch(text) or last.isdigit():
            raise ValueError(f"{text} must be a host, an IP address or a network such as 10.0.0.0/8") from None
    return text


def ports(text: str) -> tuple[int, ...]:
    """Return port numbers separated by commas, none for *; the parser of a setting."""
    if text.strip() == ALL_PORTS:
        return ()
    numbers = tuple(int(each) for each in text.split(","))
    if not all(0 < number <= MAX_PORT for number in numbers):
        raise ValueError(f"must be ports from 1 to {MAX_PORT}, separated by commas, or * for all")
    return numbers
