"""The client of a command, which signs in when the command needs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from soundlift.cli.sign_in import create_client, sign_in_options
from soundlift.client import Client

Connect = Callable[[], Client]


def with_client(command: Callable[..., None], *, accepts_key: bool = True) -> Callable[..., None]:
    """Add the options of a sign-in to a command, which is called with `connect`, a function that returns a client.

    So the command can check its other options before it asks for a password. Without `accepts_key`, the client does not
    use the API key in SOUNDLIFT_API_KEY.
    """

    @wraps(command)
    def with_connect(url: str, email: str | None, password: str | None, token: str | None, **rest: Any) -> None:
        command(connect=lambda: create_client(url, email, password, token, accepts_key=accepts_key), **rest)

    return sign_in_options(with_connect)
