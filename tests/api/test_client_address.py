"""The address of a client behind proxies, of which only trusted ones are believed."""

from __future__ import annotations

import pytest
from flask import Request
from werkzeug.test import create_environ

from soundlift.common.settings import Settings
from soundlift.common.web.client_address import client_network

CLIENT, NETWORK, FORGED = "203.0.113.9", "203.0.113.0/24", "198.51.100.1"
MALFORMED = (None, "", " ", ",", "unknown", "_hidden", "1.2.3", f"{CLIENT}, nonsense", f"{CLIENT},", "[", "%", ":")
PROXIES = "127.0.0.1, ::1,10.0.0.0/8"


def request(peer: str | None, forwarded: str | None = None) -> Request:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    environ = create_environ(headers=headers)
    return Request({**environ, **({"REMOTE_ADDR": peer} if peer is not None else {})})


def settings(proxies: str = PROXIES) -> Settings:
    return Settings.from_environment({"TRUSTED_PROXIES": proxies})


@pytest.mark.parametrize(
    ("peer", "forwarded", "network"),
    [
        *((CLIENT, None, NETWORK), (CLIENT, FORGED, NETWORK), ("2001:db8::1", FORGED, "2001:db8::/64")),
        *(("127.0.0.1", CLIENT, NETWORK), ("::1", CLIENT, NETWORK), ("10.1.2.3", CLIENT, NETWORK)),
        ("127.0.0.1", f"{FORGED}, {CLIENT}", NETWORK),
        ("127.0.0.1", f"{FORGED}, {CLIENT}, 10.0.0.1", NETWORK),
        ("127.0.0.1", f"{FORGED},{CLIENT},10.0.0.1,::1", NETWORK),
        ("127.0.0.1", f"{CLIENT}:4711", NETWORK),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::/64"),
        ("127.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("127.0.0.1", "fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", f"::ffff:{CLIENT}", NETWORK),
        (f"::ffff:{CLIENT}", None, NETWORK),
        ("::ffff:127.0.0.1", CLIENT, NETWORK),
    ],
)
def test_a_client_is_counted_by_the_network_of_the_last_address_that_a_trusted_proxy_has_appended(
    peer: str, forwarded: str | None, network: str
) -> None:
    assert client_network(request(peer, forwarded), settings()) == network


@pytest.mark.parametrize("forwarded", [*MALFORMED, "10.0.0.5", "10.0.0.5, 10.0.0.6"])
def test_a_client_whose_address_a_trusted_proxy_does_not_disclose_has_no_network(forwarded: str | None) -> None:
    assert client_network(request("127.0.0.1", forwarded), settings()) is None
    assert client_network(request(CLIENT, forwarded), settings()) == NETWORK


def test_a_client_at_a_unix_socket_has_no_network() -> None:
    assert client_network(request(""), settings()) is None


def test_a_header_of_any_length_is_read_in_bounded_time() -> None:
    assert client_network(request("127.0.0.1", "10.0.0.1," * 8000 + CLIENT), settings()) == NETWORK
    assert client_network(request("127.0.0.1", CLIENT + ",10.0.0.1" * 8000), settings()) is None
    assert client_network(request("127.0.0.1", "9" * 60_000), settings()) is None


def test_if_all_proxies_are_trusted_no_client_has_a_network() -> None:
    assert client_network(request(FORGED, f"{CLIENT}, 2001:db8::1"), settings("*")) is None
