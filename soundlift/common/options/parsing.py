"""Parsing and validation of the options of an upload."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from soundlift.common.audio.mp3_rates import highest_bitrate
from soundlift.common.errors import BadOption
from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX, AudioOptions
from soundlift.common.printable import escaped

if TYPE_CHECKING:
    from soundlift.common.settings import Settings

MAX_SHOWN_LENGTH = 60


def parse_options(given: Iterable[tuple[str, str]], settings: Settings) -> AudioOptions:
    """Return the options given as pairs of name and value, completed with the server's defaults.

    Raises BadOption, which names the option, its value, and the allowed values.
    """
    texts = _unique(given)
    values = {name: _parse(name, text) for name, text in texts.items()}
    _check_bounds(texts, values, settings)
    _check_combinations(texts, values)
    return _complete(values, settings)


def _unique(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, text in given:
        if name in texts:
            raise _bad(name, text, "must be given only once")
        texts[name] = text
    return texts


def _parse(name: str, text: str) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        similar = difflib.get_close_matches(name, OPTIONS, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else "."
        known = ", ".join(sorted(OPTIONS))
        raise BadOption(f"{_shown(name)}={_shown(text)}: there is no such option{hint} The options are: {known}.")
    try:
        return option.value.read(text)
    except ValueError as error:
        raise _bad(name, text, str(error)) from None


def _check_bounds(texts: Mapping[str, str], values: Mapping[str, Any], settings: Settings) -> None:
    """Raise BadOption for a value above this server's maximum."""
    for name, value in values.items():
        setting = OPTIONS[name].maximum
        if setting and value > (maximum := getattr(settings, setting)):
            raise _bad(name, texts[name], f"must be at most {maximum} on this server")


def _check_combinations(texts: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Raise BadOption for options that contradict each other or that MP3 cannot combine."""
    if "bitrate" in texts and "quality" in texts:
        raise _bad("quality", texts["quality"], "must not be given with bitrate: a constant bit rate has no quality")
    if "end" in values and values["end"] <= values.get("start", 0):
        raise _bad("end", texts["end"], f"must be after the start, {values.get('start', 0):g} s")
    if "bitrate" in values and "sample_rate" in values:
        highest = highest_bitrate(values["sample_rate"])
        if values["bitrate"] > highest:
            raise _bad("bitrate", texts["bitrate"], f"must be at most {highest} at sample_rate={texts['sample_rate']}")


def _complete(values: Mapping[str, Any], settings: Settings) -> AudioOptions:
    """Return the effective options: those given, and the server's defaults unless they contradict those given."""
    given = {OPTIONS[name].field: value for name, value in values.items()}
    given["tags"] = {
        name.removeprefix(TAG_PREFIX): text for name, text in values.items() if name.startswith(TAG_PREFIX)
    }
    if "quality" in given:
        given["bitrate"] = None
    if "normalize" in given:
        given["normalize"] = settings.audio_loudness if given["normalize"] is True else given["normalize"] or None
    options = replace(AudioOptions.defaults(settings), **given)
    if options.bitrate is None or options.sample_rate is None:
        return options
    return replace(options, bitrate=min(options.bitrate, highest_bitrate(options.sample_rate)))


def _bad(name: str, text: str, problem: str) -> BadOption:
    return BadOption(f"{_shown(name)}={_shown(text)} {problem}.")


def _shown(text: str) -> str:
    """Return a client's text, made printable and short."""
    return escaped(text) if len(text) <= MAX_SHOWN_LENGTH else f"{escaped(text[:MAX_SHOWN_LENGTH])}…"
