"""Is how the MP3 of one job is to be made: as an upload asks for it, as its row keeps it, and as the job shows it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from soundlift.common.audio.mp3_rates import highest_bitrate
from soundlift.common.errors import BadOption
from soundlift.common.options.option_values import BITRATE, OPTIONS, TAG_PREFIX
from soundlift.common.printable import printable

if TYPE_CHECKING:
    from soundlift.common.settings import Settings

LONGEST_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class AudioOptions:
    """Holds the options of one job, whole: what the upload did not give is the server's default by then.

    `bitrate` in kbit/s is constant; where it is None, it varies by LAME's `quality`, 0 (best) to 9. `sample_rate` in
    Hz is at most the source's, which it is where None, or the next lower that MP3 has; `channels` (1 or 2) are the
    source's where None, at most two.
    `start` and `end` are seconds of the source's sound. `track` is a number among its audio tracks, from 1, or a
    language in ISO 639, lower case; None leaves the choice to us. `normalize` is a loudness in LUFS (EBU R 128), None
    leaves it as it is. `tags` go before those of the source, which `strip_tags` drops, and an empty one removes its.
    """

    bitrate: int | None = None
    quality: int = 2
    sample_rate: int | None = None
    channels: int | None = None
    start: float = 0.0
    end: float | None = None
    track: int | str | None = None
    normalize: float | None = None
    strip_tags: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    cover: bool = True

    @classmethod
    def defaults(cls, settings: Settings) -> Self:
        """Return the options of a job that names none."""
        bitrate = BITRATE.read(settings.audio_bitrate) if settings.audio_bitrate else None
        return cls(bitrate=bitrate, quality=settings.audio_quality, normalize=settings.audio_normalize)

    @classmethod
    def read(cls, given: Iterable[tuple[str, str]], settings: Settings) -> Self:
        """Return what an upload asks for by pairs of name and value, filled up with the server's defaults.

        Raises BadOption, which names the option and its value, and says what is allowed.
        """
        texts = _each_once(given)
        values = {name: _read(name, text) for name, text in texts.items()}
        _check_bounds(texts, values, settings)
        _check_together(texts, values)
        return cls(**{**_sound_of(values, settings), **_labels_of(values)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options that a row keeps."""
        return cls(**json.loads(text))

    @classmethod
    def of_row(cls, text: str | None, settings: Settings) -> Self:
        """Return the options that a row keeps, or the defaults where it keeps none."""
        return cls.defaults(settings) if text is None else cls.from_json(text)

    def to_json(self) -> str:
        """Return the options for a row: those that are not as this class has them anyway."""
        usual = AudioOptions()
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        told = {name: value for name, value in own.items() if value != getattr(usual, name)}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))

    def document(self) -> dict[str, Any]:
        """Return all options under the names by which an upload gives them, null where they decide nothing."""
        return {
            "format": "mp3",
            "bitrate": self.bitrate,
            "quality": self.quality if self.bitrate is None else None,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "start": self.start,
            "end": self.end,
            "track": self.track,
            "normalize": self.normalize,
            "tags": "strip" if self.strip_tags else "keep",
            "cover": "keep" if self.cover else "drop",
            **{TAG_PREFIX + tag: value for tag, value in self.tags.items()},
        }


def _each_once(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, text in given:
        if name in texts:
            raise _bad(name, text, "must be given once only")
        texts[name] = text
    return texts


def _read(name: str, text: str) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        near = difflib.get_close_matches(name, OPTIONS, n=1)
        meant = f"; did you mean {near[0]}?" if near else "."
        known = ", ".join(sorted(OPTIONS))
        raise BadOption(f"{_shown(name)}={_shown(text)}: there is no such option{meant} There are: {known}.")
    try:
        return option.read(text)
    except ValueError as error:
        raise _bad(name, text, str(error)) from None


def _check_bounds(texts: Mapping[str, str], values: Mapping[str, Any], settings: Settings) -> None:
    """Raise BadOption for what this server does not make."""
    bounds = {"bitrate": settings.max_audio_bitrate, "sample_rate": settings.max_sample_rate}
    for name, bound in bounds.items():
        if values.get(name, 0) > bound:
            raise _bad(name, texts[name], f"must be at most {bound} on this server")


def _check_together(texts: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Raise BadOption for options that contradict each other, or that no MP3 has together."""
    if "bitrate" in texts and "quality" in texts:
        raise _bad("quality", texts["quality"], "must not be given with bitrate: a constant bit rate has no quality")
    if "end" in values and values["end"] <= values.get("start", 0):
        raise _bad("end", texts["end"], f"must be after the start, {values.get('start', 0):g} s")
    if "bitrate" in values and "sample_rate" in values:
        highest = highest_bitrate(values["sample_rate"])
        if values["bitrate"] > highest:
            raise _bad("bitrate", texts["bitrate"], f"must be at most {highest} at sample_rate={texts['sample_rate']}")


def _sound_of(values: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    usual = AudioOptions.defaults(settings)
    rate = values.get("sample_rate")
    bitrate = None if "quality" in values else values.get("bitrate", usual.bitrate)
    loudness = values.get("normalize", usual.normalize)
    return {
        "bitrate": min(bitrate, highest_bitrate(rate)) if bitrate and rate else bitrate,
        "quality": values.get("quality", usual.quality),
        "sample_rate": rate,
        "channels": values.get("channels"),
        "start": values.get("start", 0.0),
        "end": values.get("end"),
        "track": values.get("track"),
        "normalize": settings.audio_loudness if loudness is True else loudness or None,
    }


def _labels_of(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "strip_tags": values.get("tags") == "strip",
        "tags": {name.removeprefix(TAG_PREFIX): text for name, text in values.items() if name.startswith(TAG_PREFIX)},
        "cover": values.get("cover") != "drop",
    }


def _bad(name: str, text: str, why: str) -> BadOption:
    return BadOption(f"{_shown(name)}={_shown(text)} {why}.")


def _shown(text: str) -> str:
    """Return what a client sent as it can stand in a sentence."""
    shown = printable(text, "�")
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"
