"""The MongoDB client, its timeouts, and the translation of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from soundlift.common.errors import SettingError, StoreUnavailable

BATCH_BYTES = 4 * 2**20  # of chunks, in one insert or one batch of a query
DEFAULTS = {"serverSelectionTimeoutMS": 3000, "connectTimeoutMS": 3000, "socketTimeoutMS": 10_000, "w": "majority"}
MAX_CAUSE_LENGTH = 500  # the driver's error may quote whole chunks

Document = dict[str, Any]


_clients: dict[tuple[str, int], MongoClient[Document]] = {}


def get_client(url: str, process_id: int) -> MongoClient[Document]:
    """Return the client of a server, without connecting; raises SettingError.

    A client must not be shared with a forked process, so there is one for each process id.
    """
    if client := _clients.get((url, process_id)):
        return client
    given = {name.lower() for name in parse_qs(urlsplit(url).query)}
    options: dict[str, Any] = {name: value for name, value in DEFAULTS.items() if name.lower() not in given}
    try:
        client = MongoClient(url, connect=False, **options)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise SettingError(f"Setting MEDIA_URL is not a valid MongoDB URL: {error}.", setting="MEDIA_URL") from None
    return _clients.setdefault((url, process_id), client)


def close_client(url: str, process_id: int) -> None:
    """Close the client of a server, if there is one; the next `get_client` makes another one."""
    if client := _clients.pop((url, process_id), None):
        client.close()


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise StoreUnavailable in place of the driver's errors."""
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise StoreUnavailable("The media store cannot be used.", cause=str(error)[:MAX_CAUSE_LENGTH]) from error
