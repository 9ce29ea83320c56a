"""The options of an upload, as arguments of Python functions; docs/options.md describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from soundlift.client.errors import BadArgument

TAG_PREFIX = "tag."

Format = Literal["mp3", "m4a", "opus", "flac", "wav", "original"]
Copy = Literal["auto", "never", "always"]


class Tags(TypedDict, total=False):
    """Tags that replace those of the source; an empty text removes the tag."""

    title: str
    artist: str
    album: str
    album_artist: str
    composer: str
    genre: str
    comment: str
    date: str
    track: str
    disc: str


class Options(TypedDict, total=False):
    """How the audio file is made; the server has a default for each option that is missing or None.

    `copy` is for a track that has the format already: by default, it is copied unless an option changes its sound.
    Times are seconds, or texts such as "1:30". `normalize` is a loudness in LUFS, or True for the server's.
    `webhook` is the id or the URL of a webhook. `tag` holds the tags to set. The server checks the values, since each
    deployment has its own bounds.
    """

    format: Format | None
    copy: Copy | None
    bitrate: int | str | None
    quality: int | str | None
    sample_rate: int | str | None
    channels: Literal[1, 2] | str | None
    start: float | str | None
    end: float | str | None
    track: int | str | None
    normalize: bool | float | str | None
    tags: Literal["keep", "strip"] | None
    cover: Literal["keep", "drop"] | None
    webhook: str | None
    tag: Tags | None


def query_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as the fields of a query; unknown ones are passed on, since a newer server may accept them."""
    tags = options.get("tag") or {}
    if not isinstance(tags, Mapping):
        raise BadArgument('tag must be a dictionary, such as {"title": "The talk"}.')
    plain = {name: value for name, value in options.items() if name != "tag"}
    given = plain | {TAG_PREFIX + name: value for name, value in tags.items()}
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6f}".rstrip("0").rstrip(".")
        case _:
            return str(value)
