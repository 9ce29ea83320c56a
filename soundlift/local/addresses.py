"""The addresses at which this machine reaches Soundlift, and at which other machines do."""

from __future__ import annotations

import ipaddress
import socket

from soundlift.common.settings import ALL_ADDRESSES

LOOPBACK = "127.0.0.1"
OTHER_NETWORK = ("192.0.2.1", 9)  # an address for documentation (RFC 5737), to which nothing is sent


def local_address(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return LOOPBACK if host == ALL_ADDRESSES else host


def public_address(host: str) -> str:
    """Return the address at which most machines reach a server that listens on `host`, as far as this one knows."""
    return (_network_address() or LOOPBACK) if host == ALL_ADDRESSES else host


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _network_address() -> str | None:
    """Return the address from which this machine would send to another network; None if it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(OTHER_NETWORK)  # for UDP this only chooses a route
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if is_loopback(address) else address
