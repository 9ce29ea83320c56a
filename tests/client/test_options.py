"""The typed options of the client are those of the server, and are sent as the server reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import pytest

from soundlift.client import BadArgument, Client, Options, Tags, formats
from soundlift.client.options import TAG_PREFIX, query_of
from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import OPTIONS, TAGS
from soundlift.common.options.parsing import parse_options
from soundlift.common.services import Services
from tests.factories.jobs import MP4

KEYWORDS = {"format", "copy", "tags", "cover"}


def test_the_client_has_every_option_of_the_server_and_no_other() -> None:
    ours = {name for name in get_type_hints(Options) if name != "tag"}
    assert ours == {name for name in OPTIONS if not name.startswith(TAG_PREFIX)}
    assert set(get_type_hints(Tags)) == set(TAGS)


@pytest.mark.parametrize("name", sorted(KEYWORDS))
def test_the_client_has_every_keyword_of_the_server_and_no_other(name: str) -> None:
    literals = [part for part in get_args(get_type_hints(Options)[name]) if part is not type(None)]
    ours = {word for literal in literals for word in get_args(literal)}
    assert ours == set(re.split(", | or ", OPTIONS[name].value.allowed))
    assert all(OPTIONS[name].value.read(word) is not None for word in ours)


def test_the_formats_of_the_client_are_those_of_the_server() -> None:
    assert (*formats.REQUESTABLE, formats.ORIGINAL) == output_formats.REQUESTABLE
    assert formats.RESULTS == tuple(output_formats.FORMATS)


@pytest.mark.parametrize(
    ("path", "requested", "used"),
    [
        ("a.m4a", None, "m4a"),
        ("a.FLAC", None, "flac"),
        ("a.m4a", "m4a", "m4a"),
        ("a", None, None),
        ("a", "opus", "opus"),
        ("talk of 3.5 h", None, None),
        ("a.ac3", "original", "original"),
        ("a.mp3", "original", "original"),
        ("a.wav", "a newer format", "the format is a newer format"),
        ("a.m4a", "flac", "the format is flac"),
        ("a.ogg", None, "are converted to .mp3"),
        ("a.mp4", None, "are converted to .mp3"),
        ("a.mkv", "original", "the format is original"),
    ],
)
def test_a_file_has_the_suffix_of_its_format(path: str, requested: str | None, used: str | None) -> None:
    if used and " " in used:
        with pytest.raises(BadArgument, match=used):
            formats.format_for(Path(path), requested)
    else:
        assert formats.format_for(Path(path), requested) == used


def test_the_options_without_keywords_accept_texts_because_servers_differ_in_their_bounds() -> None:
    for name, hint in get_type_hints(Options).items():
        if name not in KEYWORDS | {"tag"}:
            assert str in get_args(hint), name
            assert Literal["keep"] not in get_args(hint)


@pytest.mark.parametrize(
    ("options", "parsed"),
    [
        ({"bitrate": 96, "channels": 1}, {"bitrate": 96, "channels": 1}),
        ({"quality": 0, "sample_rate": 32000}, {"quality": 0, "sample_rate": 32000}),
        ({"start": 0.1, "end": 83.25}, {"start": 0.1, "end": 83.25}),
        ({"start": 0.0000004, "end": 1e5}, {"start": 0.0, "end": 100000.0}),
        ({"start": "0:01", "end": 90}, {"start": 1.0, "end": 90.0}),
        ({"normalize": True}, {"normalize": -16.0}),
        ({"normalize": False}, {"normalize": None}),
        ({"normalize": -20.5}, {"normalize": -20.5}),
        ({"track": 2, "tags": "strip", "cover": "drop"}, {"track": 2, "strip_tags": True, "cover": False}),
        ({"tag": {"title": "T&=Ü", "artist": ""}}, {"tags": {"title": "T&=Ü", "artist": ""}}),
        ({"bitrate": None, "tag": None}, {"bitrate": None, "tags": {}}),
    ],
)
def test_values_of_python_reach_the_server(services: Services, options: dict[str, Any], parsed: dict[str, Any]) -> None:
    result = parse_options(query_of(options).items(), services.settings)
    assert {name: getattr(result, name) for name in parsed} == parsed


def test_an_option_that_the_client_does_not_know_is_sent(client: Client) -> None:
    unknown: Any = {"bitrat": 96, "tag.title": "T"}
    assert query_of(unknown) == {"bitrat": "96", "tag.title": "T"}


def test_tags_that_are_not_a_dictionary_are_an_error_of_the_client() -> None:
    with pytest.raises(BadArgument, match=r"tag must be a dictionary"):
        query_of({"tag": "title=T"})


def test_options_are_arguments_of_an_upload(client: Client, tmp_path: Any) -> None:
    (tmp_path / "a.mp4").write_bytes(MP4)
    job = client.upload(tmp_path / "a.mp4", bitrate=96, start=0.5, tag={"album": "A"})
    shown = {name: job.options[name] for name in ("bitrate", "start", "tag.album")}
    assert shown == {"bitrate": 96, "start": 0.5, "tag.album": "A"}
