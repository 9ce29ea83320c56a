"""The number of connections of each client."""

from __future__ import annotations

import pytest

from soundlift.common.web.address_counter import AddressCounter


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("192.0.2.1", "192.0.2.1", 2),
        ("192.0.2.1", "192.0.2.2", 1),
        ("192.0.2.1", "::ffff:192.0.2.1", 2),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", 2),
        ("2001:db8::1", "2001:db8:0:1::1", 1),
        ("fe80::1%lo", "fe80::2%lo", 2),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(first: str, second: str, count: int) -> None:
    connections = AddressCounter()
    connections.add(first)
    assert connections.add(second) == count
    connections.remove(second)
    assert connections.add(first) == 2
