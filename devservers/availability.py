"""Checks of whether a port's server is available."""

from __future__ import annotations

from typing import Protocol

from soundlift.common.errors import Unavailable


class Checked(Protocol):
    """A port that can be checked."""

    def check(self) -> None: ...


def is_usable(port: Checked) -> bool:
    try:
        port.check()
    except Unavailable:
        return False
    return True
