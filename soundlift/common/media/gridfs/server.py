"""The MongoDB server: its client, timeouts, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from soundlift.common.errors import SettingError, StoreUnavailable

BATCH_BYTES = 4 * 2**20  # of chunks, in one insert or one answer to a query
DEFAULTS = {"serverSelectionTimeoutMS": 3000, "connectTimeoutMS": 3000, "socketTimeoutMS": 10_000, "w": "majority"}
LONGEST_CAUSE = 500  # an error may quote the chunks that it is about

Document = dict[str, Any]


@cache
def client_of(url: str, process: int) -> MongoClient[Document]:
    """Return the client of a server in a process, without connecting; raises SettingError.

    A forked process needs a client of its own.
    """
    named = {name.lower() for name in parse_qs(urlsplit(url).query)}
    options: dict[str, Any] = {name: value for name, value in DEFAULTS.items() if name.lower() not in named}
    try:
        return MongoClient(url, connect=False, **options)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise SettingError(f"Setting MEDIA_URL is not a valid MongoDB URL: {error}.", setting="MEDIA_URL") from None


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the driver's errors into StoreUnavailable."""
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise StoreUnavailable("The media store cannot be used.", cause=str(error)[:LONGEST_CAUSE]) from error
