"""The kinds of values that options accept, and their parsers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from soundlift.common.audio.mp3_rates import SAMPLE_RATES
from soundlift.common.audio.output_formats import FORMATS

MAX_TEXT_LENGTH = 1000
LOUDNESS_RANGE = (-70.0, -5.0)  # in LUFS: the range of targets of FFmpeg's loudnorm

# FFmpeg counts in microseconds, which distinguish all samples at every sample rate.
SECONDS = re.compile(r"\d{1,6}(?:\.\d{1,6})?", re.ASCII)
CLOCK = re.compile(r"(?:(\d{1,2}):(?=[0-5]?\d:))?(\d{1,3}):([0-5]\d(?:\.\d{1,6})?)", re.ASCII)


WEBHOOK_NAME = re.compile(r"[0-9a-f]{24}|https?://[!-~]+")
MAX_URL_LENGTH = 2048


@dataclass(frozen=True)
class Value:
    """A kind of value: `allowed` completes "must be …", `parse` reads a text, `show` formats the value for a job."""

    allowed: str
    parse: Callable[[str], Any]
    show: Callable[[Any], Any] = lambda value: value

    def read(self, text: str) -> Any:
        """Return the value of a text; raises ValueError, whose message states what is allowed."""
        try:
            return self.parse(text)
        except ValueError:
            raise ValueError(f"must be {self.allowed}") from None


def one_of(numbers: Iterable[int], unit: str, suffix: str = "") -> Value:
    """Return a kind of value: one of several numbers, optionally followed by a suffix."""
    values = {str(number): number for number in numbers}
    return Value(f"one of {', '.join(values)} ({unit})", lambda text: _find(values, text.removesuffix(suffix)))


def whole_number(numbers: Sequence[int], unit: str, suffix: str = "") -> Value:
    """Return a kind of value: any whole number of a range, optionally followed by a suffix."""
    values = {str(number): number for number in numbers}
    allowed = f"a whole number from {numbers[0]} to {numbers[-1]} ({unit})"
    return Value(allowed, lambda text: _find(values, text.removesuffix(suffix)))


def keyword(meanings: Mapping[str, Any]) -> Value:
    """Return a kind of value: one of several keywords, each with the value that it stands for."""
    words = {meaning: word for word, meaning in meanings.items()}
    *others, last = meanings
    return Value(f"{', '.join(others)} or {last}", lambda text: _find(meanings, text), words.__getitem__)


def by_format(kinds: Mapping[str, Value]) -> Value:
    """Return a kind of value that depends on the format; it accepts what is allowed in one of the formats."""

    def parse(text: str) -> Any:
        for kind in kinds.values():
            with suppress(ValueError):
                return kind.parse(text)
        raise ValueError(text)

    return Value("; ".join(f"for {FORMATS[name].title} {kind.allowed}" for name, kind in kinds.items()), parse)


def matching(allowed: str, pattern: str, convert: Callable[[str], Any] = str) -> Value:
    """Return a kind of value: a text that matches a pattern, passed through `convert`."""
    return Value(allowed, lambda text: convert(_match(re.compile(pattern, re.ASCII), text)[0]))


def _find(values: Mapping[str, Any], text: str) -> Any:
    if text not in values:
        raise ValueError(text)
    return values[text]


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match


def _time(text: str) -> float:
    """Return a time in seconds."""
    if clock := CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups(default="0")
        return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 6)
    return float(_match(SECONDS, text)[0])


def _loudness(text: str) -> float:
    value = float(_match(re.compile(r"-\d{1,2}(?:\.\d{1,3})?", re.ASCII), text)[0])
    if not LOUDNESS_RANGE[0] <= value <= LOUDNESS_RANGE[1]:
        raise ValueError(text)
    return value


def _normalize(text: str) -> bool | float:
    return text == "true" if text in ("true", "false") else _loudness(text)


def _track(text: str) -> int | str:
    language_or_number = _match(re.compile(r"[a-z]{2,3}|[1-9]\d{0,2}"), text.lower())[0]
    return int(language_or_number) if language_or_number.isdigit() else language_or_number


def _line(text: str) -> str:
    """Return a text after checking its length and that it has no control characters or line separators."""
    if len(text) > MAX_TEXT_LENGTH or any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text
    ):
        raise ValueError(text)
    return text


def _webhook(text: str) -> str:
    """Return the id or the URL of a webhook, which only its owner's webhooks give a meaning."""
    _match(WEBHOOK_NAME, text)
    if len(text) > MAX_URL_LENGTH:
        raise ValueError(text)
    return text


MP3_BITRATE = one_of(FORMATS["mp3"].bitrates, "kbit/s", suffix="k")
BITRATES = {
    "mp3": MP3_BITRATE,
    "m4a": whole_number(FORMATS["m4a"].bitrates, "kbit/s", suffix="k"),
    "opus": whole_number(FORMATS["opus"].bitrates, "kbit/s", suffix="k"),
}
BITRATE = by_format(BITRATES)
QUALITY = matching("a whole number from 0 (best) to 9 (smallest)", r"\d", int)
SAMPLE_RATE = one_of(SAMPLE_RATES, "Hz")
CHANNELS = matching("1 or 2", "[12]", int)
LOUDNESS = Value("a loudness from -70 to -5 (LUFS)", _loudness)
NORMALIZE = Value(f"true, false, or {LOUDNESS.allowed}", _normalize)
TIME = Value("a time: seconds such as 83.25, or [HH:]MM:SS[.mmm]", _time)
TRACK = Value("the number of an audio track, from 1 to 999, or an ISO 639 language code", _track)
WEBHOOK = Value("the id or the URL of one of your webhooks", _webhook)
LINE = Value(f"at most {MAX_TEXT_LENGTH} characters on one line", _line)
# ID3v2.4: the date part of its timestamps, and the frames TRCK and TPOS.
DATE = matching(
    "YYYY, YYYY-MM or YYYY-MM-DD, or empty", r"(?:\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?)?"
)
TRACK_NUMBER = matching("a number such as 3 or 3/12, or empty", r"(?:\d{1,4}(?:/\d{1,4})?)?")
DISC_NUMBER = matching("a number such as 1 or 1/2, or empty", r"(?:\d{1,4}(?:/\d{1,4})?)?")
