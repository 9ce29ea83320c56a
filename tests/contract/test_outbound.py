"""urllib3 makes each connection by its private method `_new_conn`, which soundlift/common/outbound overrides."""

from __future__ import annotations

import socket

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection


class Reached(Exception):
    """The overridden method was called."""


@pytest.mark.parametrize("base", [HTTPConnection, HTTPSConnection])
def test_connect_makes_its_socket_by_the_method_that_is_overridden(base: type[HTTPConnection]) -> None:
    class Connection(base):  # type: ignore[misc, valid-type]  # a base of a parameter
        def _new_conn(self) -> socket.socket:
            raise Reached

    with pytest.raises(Reached):
        Connection("example.invalid", 80).connect()
