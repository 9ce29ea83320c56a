"""Options by format: each format knows some, and `copy` is decided together with those that change the sound."""

from __future__ import annotations

import json
from typing import Any

import pytest

from soundlift.common.audio.output_formats import FORMATS, REQUESTABLE, known_options
from soundlift.common.errors import BadOption
from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX, AudioOptions
from soundlift.common.options.parsing import parse_options, parse_options_so_far
from soundlift.common.settings import Settings

SETTINGS = Settings()
EXAMPLES = {
    "copy": "auto",
    "bitrate": "128",
    "quality": "4",
    "sample_rate": "22050",
    "channels": "1",
    "start": "1",
    "end": "2",
    "track": "1",
    "normalize": "true",
    "tags": "strip",
    "cover": "drop",
}
UNKNOWN = {
    "mp3": [],
    "m4a": ["quality"],
    "opus": ["quality", "sample_rate"],
    "flac": ["bitrate", "quality"],
    "wav": ["bitrate", "quality"],
    "original": ["bitrate", "channels", "normalize", "quality", "sample_rate"],
}


def read(text: str, settings: Settings = SETTINGS) -> AudioOptions:
    """Return the options of a text such as "format=m4a bitrate=96"."""
    return parse_options([(name, value) for name, _, value in (each.partition("=") for each in text.split())], settings)


def refusal(text: str, settings: Settings = SETTINGS) -> str:
    with pytest.raises(BadOption) as refused:
        read(text, settings)
    return refused.value.detail


@pytest.mark.parametrize("name", REQUESTABLE)
def test_an_option_that_a_format_does_not_know_is_refused_with_those_that_it_knows(name: str) -> None:
    refused = {}
    for option, value in EXAMPLES.items():
        try:
            read(f"format={name} {option}={value}")
        except BadOption as error:
            refused[option] = error.detail
    assert sorted(refused) == UNKNOWN[name]
    for option, sentence in refused.items():
        assert sentence.startswith(f"{option}={EXAMPLES[option]}: ")
        _, _, known = sentence.partition("does not know this option; it knows: ")
        assert known == f"{', '.join(sorted(known_options(name)))}, and the tags."
    assert read(f"format={name} tag.title=T").tags == {"title": "T"}


def test_a_refused_option_is_named_with_the_format() -> None:
    assert refusal("format=flac bitrate=128") == (
        "bitrate=128: FLAC does not know this option; it knows: "
        "channels, copy, cover, end, format, normalize, sample_rate, start, tags, track, webhook, and the tags."
    )
    assert refusal("quality=2 format=wav").startswith("quality=2: WAV does not know this option")
    assert refusal("format=original channels=1").startswith("channels=1: The original track does not know this option")


def test_formats_know_only_options_that_exist() -> None:
    assert {name for each in FORMATS.values() for name in each.options} == {
        name for name in OPTIONS if not name.startswith(TAG_PREFIX)
    }


@pytest.mark.parametrize(
    ("name", "allowed", "refused", "sentence"),
    [
        ("mp3", ["32", "128k", "320"], ["16", "100", "33"], "one of 32, 40, 48"),
        ("m4a", ["64", "100k", "320"], ["63", "321", "96.5", "0128", "-64"], "a whole number from 64 to 320 (kbit/s)"),
        ("opus", ["16", "33", "256k"], ["15", "257", "²5"], "a whole number from 16 to 256 (kbit/s)"),
    ],
)
def test_a_bit_rate_is_allowed_in_the_range_of_its_format(
    name: str, allowed: list[str], refused: list[str], sentence: str
) -> None:
    for text in allowed:
        assert read(f"bitrate={text} format={name}").bitrate == int(text.removesuffix("k"))
    for text in refused:
        assert refusal(f"format={name} bitrate={text}").startswith(f"bitrate={text} must be {sentence}")


def test_a_bit_rate_above_the_highest_at_a_sample_rate_is_refused() -> None:
    assert refusal("format=m4a bitrate=97 sample_rate=8000") == "bitrate=97 must be at most 96 at sample_rate=8000."
    assert read("format=m4a bitrate=96 sample_rate=8000").bitrate == 96
    assert read("format=m4a bitrate=320 sample_rate=32000").bitrate == 320


def test_the_server_s_bit_rate_and_quality_are_those_of_mp3() -> None:
    server = Settings.from_environment({"AUDIO_BITRATE": "192k", "AUDIO_QUALITY": "7"})
    assert read("", server).bitrate == 192
    for name in REQUESTABLE[1:]:
        options = read(f"format={name}", server)
        assert (options.bitrate, options.document()["quality"]) == (None, None)


def test_the_server_s_loudness_applies_to_every_format_except_to_a_copy() -> None:
    server = Settings.from_environment({"AUDIO_NORMALIZE": "-23"})
    for name in REQUESTABLE[:-1]:
        options = read(f"format={name}", server)
        assert (options.normalize, options.copy) == (-23, "never")
    for text in ("format=original", "copy=always"):
        options = read(text, server)
        assert (options.normalize, options.copy) == (None, "always")


def test_the_server_s_maximum_applies_to_every_format() -> None:
    server = Settings.from_environment({"MAX_AUDIO_BITRATE": "128k"})
    assert refusal("format=opus bitrate=129", server) == "bitrate=129 must be at most 128 on this server."


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        ("", "auto"),
        ("copy=auto format=m4a tag.title=x cover=drop tags=strip track=2", "auto"),
        ("channels=2 sample_rate=48000", "auto"),
        ("start=0 normalize=false", "auto"),
        ("start=0.5", "never"),
        ("end=10", "never"),
        ("quality=0", "never"),
        ("copy=auto bitrate=128", "never"),
        ("format=flac normalize=-20", "never"),
        ("copy=never", "never"),
        ("copy=always start=1 end=2 channels=2", "always"),
        ("copy=always normalize=false", "always"),
        ("format=original", "always"),
        ("format=original copy=auto start=1", "always"),
        ("format=original copy=always", "always"),
    ],
)
def test_a_track_is_copied_unless_an_upload_asks_for_another_sound(text: str, copy: str) -> None:
    options = read(text)
    assert options.copy == copy
    assert options.document()["copy"] == copy
    assert AudioOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("copy=always bitrate=128", "copy=always must not be given with bitrate, which a copied track cannot have."),
        ("copy=always quality=0", "copy=always must not be given with quality, which a copied track cannot have."),
        (
            "normalize=true copy=always",
            "copy=always must not be given with normalize, which a copied track cannot have.",
        ),
        ("copy=never format=original", "copy=never must not be given with format=original, which is never encoded."),
    ],
)
def test_options_that_contradict_a_copy_are_refused_with_the_reason(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_the_server_s_bit_rate_does_not_prevent_a_copy_and_has_no_effect_on_one() -> None:
    server = Settings.from_environment({"AUDIO_BITRATE": "192k", "AUDIO_QUALITY": "7"})
    options = read("", server)
    assert (options.copy, options.bitrate) == ("auto", 192)
    assert AudioOptions.from_json(options.to_json()) == options
    shown = read("copy=always", server).document()
    assert (shown["bitrate"], shown["quality"], shown["normalize"]) == (None, None, None)


@pytest.mark.parametrize(
    ("row", "copy"),
    [
        ({}, "auto"),
        ({"channels": 1, "tags": {"title": "x"}, "sample_rate": 44100}, "auto"),
        ({"bitrate": 128}, "never"),
        ({"quality": 0}, "never"),
        ({"normalize": -16.0}, "never"),
        ({"start": 1.5}, "never"),
        ({"end": 2.5}, "never"),
    ],
)
def test_a_row_of_an_older_release_is_read_like_an_upload_with_its_options(row: dict[str, Any], copy: str) -> None:
    options = AudioOptions.from_json(json.dumps(row))
    assert (options.format, options.copy) == ("mp3", copy)
    assert json.loads(options.to_json()) == row  # so that an older release can read what this one writes


def test_options_before_the_format_are_refused_only_if_no_format_allows_them() -> None:
    for name, value in (("bitrate", "100"), ("bitrate", "16"), ("sample_rate", "44100"), ("copy", "never")):
        assert parse_options_so_far([(name, value)], SETTINGS)
    for given in ([("bitrate", "12")], [("quality", "11")], [("start", "2"), ("end", "1")], [("bitrat", "1")]):
        with pytest.raises(BadOption) as refused:
            parse_options_so_far(given, SETTINGS)
        with pytest.raises(BadOption) as final:
            parse_options(given, SETTINGS)
        assert refused.value.detail == final.value.detail
    with pytest.raises(BadOption):
        parse_options_so_far([("bitrate", "100"), ("format", "mp3")], SETTINGS)
