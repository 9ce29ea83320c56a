"""The API keys of the client's user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

from soundlift.client.api import Api
from soundlift.client.errors import ConnectionFailed
from soundlift.client.retries import is_unprocessed


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key; `start` are its first characters, and `text` the whole of it, which only `make` returns.

    `state` is active, expired or revoked. `expires_at` is None if the key works until it is revoked, and `last_used_at`
    None if it has not been used.
    """

    id: str
    name: str
    start: str
    scopes: tuple[str, ...]
    state: str
    created_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    text: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a key's JSON document; raises ConnectionFailed if it is not one."""
        try:
            return cls(
                id=str(document["id"]),
                name=str(document["name"]),
                start=str(document["start"]),
                scopes=tuple(map(str, document["scopes"])),
                state=str(document["state"]),
                created_at=_time(document["created_at"]),
                expires_at=_time(document["expires_at"]),
                last_used_at=_time(document["last_used_at"]),
                text=document.get("key"),
            )
        except (KeyError, TypeError, ValueError):
            raise ConnectionFailed("The server's answer does not describe an API key. Is it Soundlift?") from None


class ApiKeys:
    """The requests about keys, for which a client must sign in: no key can make another."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self) -> list[ApiKey]:
        """Return the user's keys, the newest first, with those that ended within 30 days."""
        keys = self._api.json("GET", "/login/keys").get("keys")
        if not isinstance(keys, list):
            raise ConnectionFailed("The server's answer does not list API keys. Is it Soundlift?")
        return [ApiKey.of(key) for key in keys]

    def make(self, name: str, scopes: Iterable[str], *, seconds: int | None = None) -> ApiKey:
        """Make a key that works for `seconds`, or until it is revoked; its `text` cannot be had again."""
        wanted = {"name": name, "scopes": [*scopes], "expires_in": seconds}
        key = ApiKey.of(self._api.json("POST", "/login/keys", wanted, may_repeat=is_unprocessed))
        if not isinstance(key.text, str):
            raise ConnectionFailed("The server's answer has no key. Is it Soundlift?")
        return key

    def revoke(self, key: ApiKey | str) -> None:
        """Make a key, given by itself or its id, stop working at once."""
        key_id = key.id if isinstance(key, ApiKey) else key
        self._api.json("DELETE", f"/login/keys/{quote(key_id, safe='')}")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
