"""Options are parsed, and invalid ones are refused with a helpful message."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from mutagen.mp3 import MP3

from soundlift.common.audio.mp3_rates import BITRATES, SAMPLE_RATES, highest_bitrate
from soundlift.common.errors import BadOption
from soundlift.common.options.audio_options import OPTIONS, AudioOptions
from soundlift.common.options.parsing import parse_options
from soundlift.common.settings import Settings

SETTINGS = Settings()
RATES = "one of 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 (kbit/s)"
TIME = "a time: seconds such as 83.25, or [HH:]MM:SS[.mmm]"
TRACK = "the number of an audio track, from 1 to 999, or an ISO 639 language code"
LOUDNESS = "true, false, or a loudness from -70 to -5 (LUFS)"
LINE = "at most 1000 characters on one line"
EVERYTHING = {
    "bitrate": "128k",
    "sample_rate": "32000",
    "channels": "1",
    "start": "1:30",
    "end": "1:00:00.5",
    "track": "eng",
    "normalize": "-18.5",
    "tags": "strip",
    "cover": "drop",
    "tag.title": "Ünïcode 🎵 \"quoted\" 'and' \\",
    "tag.artist": "",
    "tag.date": "2024-02-29",
}


def read(*given: tuple[str, str], settings: Settings = SETTINGS) -> AudioOptions:
    return parse_options(given, settings)


def refusal(*given: tuple[str, str], settings: Settings = SETTINGS) -> str:
    with pytest.raises(BadOption) as refused:
        read(*given, settings=settings)
    return refused.value.detail


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("bitrate", "32", "bitrate", 32),
        ("bitrate", "320k", "bitrate", 320),
        ("quality", "0", "quality", 0),
        ("quality", "9", "quality", 9),
        ("sample_rate", "11025", "sample_rate", 11025),
        ("channels", "2", "channels", 2),
        ("start", "0", "start", 0),
        ("start", "83.25", "start", 83.25),
        ("start", "1:23.25", "start", 83.25),
        ("start", "90:00", "start", 5400),
        ("end", "01:02:03.004", "end", 3723.004),
        ("end", "1:2:03", "end", 3723),
        ("end", "0.000001", "end", 0.000001),
        ("track", "2", "track", 2),
        ("track", "de", "track", "de"),
        ("track", "ENG", "track", "eng"),
        ("normalize", "true", "normalize", -16),
        ("normalize", "false", "normalize", None),
        ("normalize", "-23", "normalize", -23),
        ("tags", "keep", "strip_tags", False),
        ("tags", "strip", "strip_tags", True),
        ("cover", "keep", "cover", True),
        ("cover", "drop", "cover", False),
        ("format", "mp3", "cover", True),
        ("tag.title", "x" * 1000, "tags", {"title": "x" * 1000}),
        ("tag.title", "👩‍🚀 &=+%20", "tags", {"title": "👩‍🚀 &=+%20"}),
        ("tag.comment", "", "tags", {"comment": ""}),
        ("tag.date", "1999", "tags", {"date": "1999"}),
        ("tag.track", "3/12", "tags", {"track": "3/12"}),
        ("tag.disc", "1", "tags", {"disc": "1"}),
    ],
)
def test_an_option_is_parsed(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(read((name, text)), field) == value


@pytest.mark.parametrize(
    ("name", "texts", "allowed"),
    [
        ("bitrate", ["500", "0", "33", "-128", "128K", "128 k", "128kk", "1e2", "192.0", "１２８", "vbr"], RATES),
        ("quality", ["10", "-1", "2.5", "V2", "٣"], "a whole number from 0 (best) to 9 (smallest)"),
        ("sample_rate", ["44.1k", "44000", "96000", "0"], "one of 8000, 11025, 12000, 16000, 22050, 24000, 32000"),
        ("channels", ["0", "3", "6", "stereo", "²"], "1 or 2"),
        ("start", ["-1", "1:75", "1:60:00", "1:2:3:4", "1,5", "nan", "inf", "1e3", "5s", "1:", ":1", "12345678"], TIME),
        ("end", ["soon", "0:0:0x", "1.1234567", "٣"], TIME),
        ("track", ["0", "-1", "1000", "english", "e", "en-GB", "ﬁ"], TRACK),
        ("normalize", ["yes", "True", "0", "-4.9", "-70.1", "16", "-inf", "nan", "-16 LUFS"], LOUDNESS),
        ("tags", ["yes", "Keep", "none"], "keep or strip"),
        ("cover", ["false", "no"], "keep or drop"),
        ("format", ["aac", "MP3", "ogg", "mp3 "], "mp3, m4a, opus, flac, wav or original"),
        ("copy", ["yes", "AUTO"], "auto, never or always"),
        ("tag.title", ["x" * 1001, "a\nb", "a\0b", "a\x7fb", "a\u2028b", "\ud800"], LINE),
        ("tag.date", ["99", "1999-13", "1999-1", "1999-02-32", "soon"], "YYYY, YYYY-MM or YYYY-MM-DD, or empty"),
        ("tag.track", ["three", "3/", "3 of 12"], "a number such as 3 or 3/12, or empty"),
        ("tag.disc", ["one", "1/2/3"], "a number such as 1 or 1/2, or empty"),
    ],
)
def test_an_invalid_value_is_refused_with_the_allowed_values(name: str, texts: list[str], allowed: str) -> None:
    for text in texts:
        sentence = refusal((name, text))
        shown = text.replace("\ud800", "�") if text.isprintable() else ""
        assert sentence.startswith(f"{name}={shown[:60]}")
        assert f"must be {allowed}" in sentence
        assert sentence.isprintable()
        assert len(sentence) < 300


@pytest.mark.parametrize("name", [name for name in OPTIONS if not name.startswith("tag.")])
@pytest.mark.parametrize("text", ["", " ", "null", "x" * 100_000, "\0", "{}", "1\n", "٣"])
def test_no_option_accepts_nonsense(name: str, text: str) -> None:
    sentence = refusal((name, text))
    assert sentence.startswith(f"{name}=")
    assert OPTIONS[name].value_in("mp3").allowed in sentence


@pytest.mark.parametrize(
    ("name", "near"),
    [("bitrat", "bitrate"), ("samplerate", "sample_rate"), ("tag.titel", "tag.title"), ("normalise", "normalize")],
)
def test_an_unknown_option_is_refused_with_the_nearest_name_and_all_names(name: str, near: str) -> None:
    sentence = refusal((name, "1"))
    assert sentence.startswith(f"{name}=1: there is no such option; did you mean {near}?")
    assert all(known in sentence for known in OPTIONS)


@pytest.mark.parametrize("name", ["", "BITRATE", "tag.", "tag.lyrics", "x" * 10_000, "a\nb"])
def test_an_unknown_option_of_any_name_is_refused_in_one_line(name: str) -> None:
    sentence = refusal((name, "1"))
    assert "there is no such option" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 500


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("bitrate", "96"), ("bitrate", "96")], ["bitrate=96", "once"]),
        ([("tag.title", "a"), ("cover", "drop"), ("tag.title", "b")], ["tag.title=b", "once"]),
        ([("quality", "2"), ("bitrate", "96")], ["quality=2", "not be given with bitrate"]),
        ([("start", "90"), ("end", "1:30")], ["end=1:30", "after the start, 90 s"]),
        ([("end", "0")], ["end=0", "after the start, 0 s"]),
        ([("bitrate", "192"), ("sample_rate", "24000")], ["bitrate=192", "at most 160 at sample_rate=24000"]),
        ([("sample_rate", "8000"), ("bitrate", "80k")], ["bitrate=80k", "at most 64 at sample_rate=8000"]),
    ],
)
def test_options_that_contradict_each_other_are_refused(given: list[tuple[str, str]], expected: list[str]) -> None:
    sentence = refusal(*given)
    assert all(part in sentence for part in expected), sentence


def test_lame_encodes_every_allowed_bit_rate_and_no_other(tmp_path: Path) -> None:
    pairs = list(product(SAMPLE_RATES, BITRATES))
    outputs = [
        argument
        for rate, bitrate in pairs
        for argument in ("-ar", str(rate), "-b:a", f"{bitrate}k", str(tmp_path / f"{rate}-{bitrate}.mp3"))
    ]
    noise = ("-f", "lavfi", "-i", "anoisesrc=d=0.5:r=48000")
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *noise, *outputs], check=True)
    for rate, bitrate in pairs:
        made = MP3(tmp_path / f"{rate}-{bitrate}.mp3").info
        nearest = min(BITRATES, key=lambda known: abs(known * 1000 - made.bitrate))
        assert (made.sample_rate, nearest == bitrate) == (rate, bitrate <= highest_bitrate(rate))


def test_options_missing_from_an_upload_have_the_server_s_defaults() -> None:
    server = {"AUDIO_BITRATE": "192k", "AUDIO_QUALITY": "5", "AUDIO_NORMALIZE": "-23", "AUDIO_LOUDNESS": "-14"}
    settings = Settings.from_environment(server)
    assert read(settings=settings) == AudioOptions.defaults(settings)
    defaults = read(settings=settings)
    assert (defaults.bitrate, defaults.quality, defaults.normalize) == (192, 5, -23)
    assert read(("normalize", "true"), settings=settings).normalize == -14
    assert read(("normalize", "false"), settings=settings).normalize is None


def test_an_upload_s_quality_replaces_the_server_s_bit_rate() -> None:
    settings = Settings.from_environment({"AUDIO_BITRATE": "192k"})
    variable = read(("quality", "0"), settings=settings)
    assert (variable.bitrate, variable.quality) == (None, 0)


def test_the_server_s_bit_rate_is_lowered_to_the_maximum_of_the_sample_rate() -> None:
    settings = Settings.from_environment({"AUDIO_BITRATE": "192k"})
    assert read(("sample_rate", "22050"), settings=settings).bitrate == 160
    assert read(("sample_rate", "44100"), settings=settings).bitrate == 192


def test_a_value_above_the_server_s_maximum_is_refused_with_it() -> None:
    settings = Settings.from_environment({"MAX_AUDIO_BITRATE": "128k", "MAX_SAMPLE_RATE": "44100"})
    assert refusal(("bitrate", "160k"), settings=settings) == "bitrate=160k must be at most 128 on this server."
    assert refusal(("sample_rate", "48000"), settings=settings).endswith("must be at most 44100 on this server.")
    assert read(("bitrate", "128"), ("sample_rate", "44100"), settings=settings).bitrate == 128


@pytest.mark.parametrize("given", [{}, EVERYTHING, {"quality": "9"}, {"normalize": "true", "track": "12"}])
def test_options_are_unchanged_after_being_stored_in_a_row(given: dict[str, str]) -> None:
    options = parse_options(given.items(), SETTINGS)
    assert AudioOptions.from_json(options.to_json()) == options


def test_a_row_stores_only_differences_from_the_defaults() -> None:
    assert read().to_json() == "{}"
    assert read(("channels", "1"), ("cover", "keep")).to_json() == '{"channels":1}'


@pytest.mark.parametrize("letter", ["🎵", '"', "\\", "é"])
def test_the_longest_options_fit_into_a_text_column_of_mysql(letter: str) -> None:
    tags = [
        (name, letter * 1000) for name in OPTIONS if name.startswith("tag.") and OPTIONS[name].value.allowed == LINE
    ]
    assert len(read(*tags).to_json().encode()) < 2**16


@pytest.mark.parametrize("text_of", [AudioOptions.to_json, lambda options: None])
def test_a_row_without_options_uses_the_server_s_current_defaults(
    text_of: Callable[[AudioOptions], str | None],
) -> None:
    current = Settings.from_environment({"AUDIO_BITRATE": "64k"})
    text = text_of(read())
    assert AudioOptions.from_row(text, current).bitrate == (64 if text is None else None)


def test_a_document_lists_each_option_under_its_upload_name() -> None:
    document = parse_options(EVERYTHING.items(), SETTINGS).document()
    assert {name for name in OPTIONS if not name.startswith("tag.")} | set(EVERYTHING) == set(document)
    assert document["tag.title"] == EVERYTHING["tag.title"]
    assert (document["bitrate"], document["quality"], document["end"]) == (128, None, 3600.5)
    repeated = [(name, str(value)) for name, value in document.items() if value is not None]
    assert read(*repeated).document() == document
