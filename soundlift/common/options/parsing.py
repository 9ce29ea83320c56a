"""Parsing and validation of the options of an upload."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from soundlift.common.audio.mp3_rates import highest_bitrate
from soundlift.common.audio.output_formats import (
    FORMATS,
    ORIGINAL,
    REQUESTABLE,
    AudioFormat,
    known_options,
    requested_title,
)
from soundlift.common.errors import BadOption
from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX, AudioOptions
from soundlift.common.options.copying import ALWAYS, AUTO, NEVER, copy_choice, encoding_options
from soundlift.common.printable import escaped

if TYPE_CHECKING:
    from soundlift.common.settings import Settings

MAX_SHOWN_LENGTH = 60


def parse_options(given: Iterable[tuple[str, str]], settings: Settings) -> AudioOptions:
    """Return the options given as pairs of name and value, completed with the server's defaults.

    Raises BadOption, which names the option, its value, and the allowed values.
    """
    texts = _unique(given)
    _check_names(texts)
    audio_format = str(_read("format", texts["format"])) if "format" in texts else AudioOptions().format
    _check_known(texts, audio_format)
    values = {name: _read(name, text, audio_format) for name, text in texts.items()}
    _check_bounds(texts, values, settings)
    _check_combinations(texts, values, FORMATS.get(audio_format))
    _check_copy(texts, values)
    return _complete(values, settings)


def parse_options_so_far(given: Iterable[tuple[str, str]], settings: Settings) -> AudioOptions:
    """Return the options of an upload that may give more of them, such as the format.

    Raises BadOption if no format allows them.
    """
    texts = list(given)
    try:
        return parse_options(texts, settings)
    except BadOption:
        if any(name == "format" for name, _ in texts):
            raise
        for name in REQUESTABLE:
            with suppress(BadOption):
                return parse_options([*texts, ("format", name)], settings)
        raise


def _unique(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, text in given:
        if name in texts:
            raise _bad(name, text, "must be given only once")
        texts[name] = text
    return texts


def _check_names(texts: Mapping[str, str]) -> None:
    """Raise BadOption for a name that no option has."""
    for name, text in texts.items():
        if name not in OPTIONS:
            similar = difflib.get_close_matches(name, OPTIONS, n=1)
            hint = f"; did you mean {similar[0]}?" if similar else "."
            known = ", ".join(sorted(OPTIONS))
            raise BadOption(f"{_shown(name)}={_shown(text)}: there is no such option{hint} The options are: {known}.")


def _check_known(texts: Mapping[str, str], audio_format: str) -> None:
    """Raise BadOption for an option that the requested format does not know."""
    known = known_options(audio_format)
    for name, text in texts.items():
        if name not in known and not name.startswith(TAG_PREFIX):
            title, names = requested_title(audio_format), ", ".join(sorted(known))
            raise BadOption(
                f"{name}={_shown(text)}: {title} does not know this option; it knows: {names}, and the tags."
            )


def _read(name: str, text: str, audio_format: str = "") -> Any:
    try:
        return OPTIONS[name].value_in(audio_format).read(text)
    except ValueError as error:
        raise _bad(name, text, str(error)) from None


def _check_bounds(texts: Mapping[str, str], values: Mapping[str, Any], settings: Settings) -> None:
    """Raise BadOption for a value above this server's maximum."""
    for name, value in values.items():
        setting = OPTIONS[name].maximum
        if setting and value > (maximum := getattr(settings, setting)):
            raise _bad(name, texts[name], f"must be at most {maximum} on this server")


def _check_combinations(texts: Mapping[str, str], values: Mapping[str, Any], audio_format: AudioFormat | None) -> None:
    """Raise BadOption for options that contradict each other or that the format cannot combine."""
    if "bitrate" in texts and "quality" in texts:
        raise _bad("quality", texts["quality"], "must not be given with bitrate: a constant bit rate has no quality")
    if "end" in values and values["end"] <= values.get("start", 0):
        raise _bad("end", texts["end"], f"must be after the start, {values.get('start', 0):g} s")
    if audio_format and audio_format.highest_bitrate and {"bitrate", "sample_rate"} <= values.keys():
        highest = audio_format.highest_bitrate(values["sample_rate"])
        if values["bitrate"] > highest:
            raise _bad("bitrate", texts["bitrate"], f"must be at most {highest} at sample_rate={texts['sample_rate']}")


def _check_copy(texts: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Raise BadOption for options that contradict `copy`."""
    if values.get("format") == ORIGINAL and values.get("copy") == NEVER:
        raise _bad("copy", texts["copy"], "must not be given with format=original, which is never encoded")
    unfit = encoding_options(values)
    if unfit and values.get("copy") == ALWAYS:
        raise _bad("copy", texts["copy"], f"must not be given with {unfit[0]}, which a copied track cannot have")


def _complete(values: Mapping[str, Any], settings: Settings) -> AudioOptions:
    """Return the effective options: those given, and the server's defaults unless they contradict those given."""
    given = {OPTIONS[name].field: value for name, value in values.items()}
    given["copy"] = copy_choice(given)
    given["tags"] = {
        name.removeprefix(TAG_PREFIX): text for name, text in values.items() if name.startswith(TAG_PREFIX)
    }
    if "normalize" in given:
        given["normalize"] = settings.audio_loudness if given["normalize"] is True else given["normalize"] or None
    options = replace(_defaults(given, settings), **given)
    if options.normalize is not None and options.copy == AUTO:
        options = replace(options, copy=NEVER)
    if options.bitrate is None or options.sample_rate is None or "bitrate" in given:
        return options
    # The server's default, which is for MP3 only.
    return replace(options, bitrate=min(options.bitrate, highest_bitrate(options.sample_rate)))


def _defaults(given: Mapping[str, Any], settings: Settings) -> AudioOptions:
    """Return the server's defaults, without those that the given format does not know or that contradict `given`."""
    defaults = replace(AudioOptions.defaults(settings), format=given.get("format", AudioOptions().format))
    if given["copy"] == ALWAYS:
        return replace(defaults, bitrate=None, normalize=None)
    if defaults.format != "mp3" or "quality" in given:
        defaults = replace(defaults, bitrate=None)
    return defaults


def _bad(name: str, text: str, problem: str) -> BadOption:
    return BadOption(f"{_shown(name)}={_shown(text)} {problem}.")


def _shown(text: str) -> str:
    """Return a client's text, made printable and short."""
    return escaped(text) if len(text) <= MAX_SHOWN_LENGTH else f"{escaped(text[:MAX_SHOWN_LENGTH])}…"
