"""Lists the options that an upload may give: what the value of each must be, and how it is read from text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from soundlift.common.audio.mp3_rates import BITRATES, SAMPLE_RATES

LONGEST_VALUE = 1000
LOUDNESS_RANGE = (-70.0, -5.0)  # in LUFS, what FFmpeg's loudnorm can be told to reach
TAGS = ("title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc", "comment")
TAG_PREFIX = "tag."

# Six decimals of a second find each sample at each sample rate, and are what FFmpeg counts in.
SECONDS = re.compile(r"\d{1,6}(?:\.\d{1,6})?", re.ASCII)
CLOCK = re.compile(r"(?:(\d{1,2}):(?=[0-5]?\d:))?(\d{1,3}):([0-5]\d(?:\.\d{1,6})?)", re.ASCII)
DATE = r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"  # the days of ID3v2.4's timestamps
PLACE = r"\d{1,4}(?:/\d{1,4})?"  # ID3v2.4, TRCK and TPOS


@dataclass(frozen=True)
class Option:
    """Is one option: `allowed` says in words what its value must be, `parse` makes it of text or raises ValueError."""

    allowed: str
    parse: Callable[[str], Any]

    def read(self, text: str) -> Any:
        """Return the value that a text stands for; raises ValueError, which says what it must be."""
        try:
            return self.parse(text)
        except ValueError:
            raise ValueError(f"must be {self.allowed}") from None


def _one_of(numbers: Iterable[int], unit: str, suffix: str = "") -> Option:
    values = {str(number): number for number in numbers}
    return Option(f"one of {', '.join(values)} ({unit})", lambda text: _found_in(values, text.removesuffix(suffix)))


def _word(*words: str) -> Option:
    return Option(" or ".join(words), lambda text: _found_in({word: word for word in words}, text))


def _matching(allowed: str, pattern: str, kind: Callable[[str], Any] = str) -> Option:
    return Option(allowed, lambda text: kind(_match(re.compile(pattern, re.ASCII), text)[0]))


def _found_in(values: dict[str, Any], text: str) -> Any:
    if text not in values:
        raise ValueError(text)
    return values[text]


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match


def _time(text: str) -> float:
    """Return seconds."""
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


def _words(text: str) -> str:
    """Return a text in which nothing begins a new line or field."""
    if len(text) > LONGEST_VALUE or any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
        raise ValueError(text)
    return text


BITRATE = _one_of(BITRATES, "kbit/s", suffix="k")
QUALITY = _matching("a whole number from 0 (best) to 9 (smallest)", r"\d", int)
SAMPLE_RATE = _one_of(SAMPLE_RATES, "Hz")
LOUDNESS = Option("a loudness from -70 to -5 (LUFS)", _loudness)
TIME = Option("a time: seconds such as 83.25, or [HH:]MM:SS[.mmm]", _time)
WORDS = Option(f"at most {LONGEST_VALUE} characters in one line", _words)

OPTIONS = {
    "format": _word("mp3"),
    "bitrate": BITRATE,
    "quality": QUALITY,
    "sample_rate": SAMPLE_RATE,
    "channels": _matching("1 or 2", "[12]", int),
    "start": TIME,
    "end": TIME,
    "track": Option("the number of an audio track, from 1 to 999, or an ISO 639 code of a language", _track),
    "normalize": Option(f"true, false, or {LOUDNESS.allowed}", _normalize),
    "tags": _word("keep", "strip"),
    "cover": _word("keep", "drop"),
    **{TAG_PREFIX + tag: WORDS for tag in TAGS},
    "tag.date": _matching("YYYY, YYYY-MM or YYYY-MM-DD, or empty", f"(?:{DATE})?"),
    "tag.track": _matching("a number such as 3 or 3/12, or empty", f"(?:{PLACE})?"),
    "tag.disc": _matching("a number such as 1 or 1/2, or empty", f"(?:{PLACE})?"),
}
