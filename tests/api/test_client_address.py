"""The address of a client behind proxies, of which only trusted ones are believed."""

from __future__ import annotations

import pytest
from flask import Request
from werkzeug.test import create_environ

from soundlift.common.settings import Settings
from soundlift.common.web.client_address import client_address, client_network

CLIENT, FORGED = "203.0.113.9", "198.51.100.1"
MALFORMED = (None, "", " ", ",", "unknown", "_hidden", "1.2.3", f"{CLIENT}, nonsense", f"{CLIENT},", "[", "%", ":")
PROXIES = "127.0.0.1, ::1,10.0.0.0/8"


def request(peer: str | None, forwarded: str | None = None) -> Request:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    environ = create_environ(headers=headers)
    return Request({**environ, **({"REMOTE_ADDR": peer} if peer is not None else {})})


def settings(proxies: str = PROXIES) -> Settings:
    return Settings.from_environment({"TRUSTED_PROXIES": proxies})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        *((CLIENT, None, CLIENT), (CLIENT, FORGED, CLIENT), ("2001:db8::1", FORGED, "2001:db8::1")),
        *(("127.0.0.1", CLIENT, CLIENT), ("::1", CLIENT, CLIENT), ("10.1.2.3", CLIENT, CLIENT)),
        ("127.0.0.1", f"{FORGED}, {CLIENT}", CLIENT),
        ("127.0.0.1", f"{FORGED}, {CLIENT}, 10.0.0.1", CLIENT),
        ("127.0.0.1", f"{FORGED},{CLIENT},10.0.0.1,::1", CLIENT),
        ("127.0.0.1", f"{CLIENT}:4711", CLIENT),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("127.0.0.1", f"::ffff:{CLIENT}", CLIENT),
        (f"::ffff:{CLIENT}", None, CLIENT),
        ("::ffff:127.0.0.1", CLIENT, CLIENT),
        ("127.0.0.1", "10.0.0.5, 10.0.0.6", "10.0.0.5"),
        *(("127.0.0.1", malformed, "127.0.0.1") for malformed in MALFORMED),
        ("", None, ""),
    ],
)
def test_the_client_is_the_last_address_that_a_trusted_proxy_has_appended(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert client_address(request(peer, forwarded), settings()) == address


def test_a_header_of_any_length_is_read_in_bounded_time() -> None:
    assert client_address(request("127.0.0.1", "10.0.0.1," * 8000 + CLIENT), settings()) == CLIENT
    assert client_address(request("127.0.0.1", CLIENT + ",10.0.0.1" * 8000), settings()) == "10.0.0.1"
    assert client_address(request("127.0.0.1", "9" * 60_000), settings()) == "127.0.0.1"


def test_all_proxies_can_be_trusted() -> None:
    assert client_address(request(FORGED, f"{CLIENT}, 2001:db8::1"), settings("*")) == CLIENT


@pytest.mark.parametrize(
    ("peer", "forwarded", "network"),
    [
        (CLIENT, None, "203.0.113.0/24"),
        ("127.0.0.1", CLIENT, "203.0.113.0/24"),
        ("127.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("127.0.0.1", f"::ffff:{CLIENT}", "203.0.113.0/24"),
        *(("127.0.0.1", hidden, None) for hidden in (None, "10.0.0.5", "nonsense")),
        ("", None, None),
    ],
)
def test_a_client_is_counted_by_its_network_unless_a_proxy_hides_it(
    peer: str, forwarded: str | None, network: str | None
) -> None:
    assert client_network(request(peer, forwarded), settings()) == network
