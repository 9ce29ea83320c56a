"""What an upload may ask for: one declaration per option, and the options of one job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from soundlift.common.options import values
from soundlift.common.options.values import Value

if TYPE_CHECKING:
    from soundlift.common.settings import Settings

TAG_PREFIX = "tag."
TAGS = {
    **dict.fromkeys(("title", "artist", "album", "album_artist", "composer", "genre", "comment"), values.LINE),
    "date": values.DATE,
    "track": values.TRACK_NUMBER,
    "disc": values.DISC_NUMBER,
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option: its name in an upload, the field of AudioOptions that keeps its value, and its documentation.

    `otherwise` is what applies to an upload without it, `help` and `details` are sentences. `metavar` stands for the
    value in the help of `soundlift convert`. `maximum` names the setting that bounds the value.
    """

    name: str
    field: str
    value: Value
    otherwise: str
    help: str
    details: str = ""
    metavar: str = ""
    maximum: str = ""


def _option(default: Any, value: Value, *, name: str = "", **about: str) -> Any:
    return field(default=default, metadata={"option": {"name": name, "value": value, **about}})


@dataclass(frozen=True, kw_only=True)
class AudioOptions:
    """The options of one job, complete: those that the upload did not give have the server's defaults.

    `bitrate` in kbit/s is constant; if it is None, LAME's `quality`, 0 (best) to 9, decides. `track` is a number among
    the source's audio tracks, from 1, or a language in ISO 639, lower case; if it is None, the main track is chosen.
    `normalize` is a loudness in LUFS (EBU R 128). `tags` replace those of the source; an empty one removes it.
    """

    format: str = _option(
        "mp3", values.word({"mp3": "mp3"}), metavar="FORMAT", otherwise="`mp3`", help="Format of the audio file: mp3."
    )
    bitrate: int | None = _option(
        None,
        values.BITRATE,
        metavar="KBIT/S",
        maximum="max_audio_bitrate",
        otherwise="`AUDIO_BITRATE`, or else variable",
        help="Constant bit rate, from 32 to 320.",
        details="Written `192` or `192k`. MP3 has at most 64 up to 12000 Hz, and at most 160 up to 24000 Hz.",
    )
    quality: int = _option(
        2,
        values.QUALITY,
        metavar="0-9",
        otherwise="`AUDIO_QUALITY`",
        help="Variable bit rate: 0 is best, 9 is smallest.",
        details="LAME's V0 to V9; not together with `bitrate`.",
    )
    sample_rate: int | None = _option(
        None,
        values.SAMPLE_RATE,
        metavar="HZ",
        maximum="max_sample_rate",
        otherwise="the source's, or the highest of these below it",
        help="Sample rate; it is never raised.",
        details="A source with a lower one keeps its own.",
    )
    channels: int | None = _option(
        None, values.CHANNELS, metavar="1|2", otherwise="the source's, at most 2", help="Mono or stereo."
    )
    start: float = _option(
        0.0,
        values.TIME,
        metavar="TIME",
        otherwise="`0`",
        help="Where to begin: seconds, or [HH:]MM:SS[.mmm].",
        details="Exact to the sample.",
    )
    end: float | None = _option(
        None,
        values.TIME,
        metavar="TIME",
        otherwise="the source's end",
        help="Where to end.",
        details="A time of the source, as `start` is; exact to the sample.",
    )
    track: int | str | None = _option(
        None,
        values.TRACK,
        metavar="TRACK",
        otherwise="the file's main track",
        help="Audio track: its number from 1, or its language.",
        details="For example `2`, `en` or `eng`.",
    )
    normalize: float | None = _option(
        None,
        values.NORMALIZE,
        otherwise="`AUDIO_NORMALIZE`, or else `false`",
        help="Bring the sound to a loudness by EBU R 128.",
        details="It is measured first. `true` means `AUDIO_LOUDNESS`.",
    )
    strip_tags: bool = _option(
        False,
        values.word({"keep": False, "strip": True}),
        name="tags",
        otherwise="`keep`",
        help="Keep or leave out the source's tags, such as its title.",
    )
    cover: bool = _option(
        True,
        values.word({"keep": True, "drop": False}),
        otherwise="`keep`",
        help="Keep or leave out the cover picture.",
    )
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def defaults(cls, settings: Settings) -> Self:
        """Return the options of an upload that gives none."""
        bitrate = values.BITRATE.read(settings.audio_bitrate) if settings.audio_bitrate else None
        return cls(bitrate=bitrate, quality=settings.audio_quality, normalize=settings.audio_normalize)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options that a row keeps."""
        return cls(**json.loads(text))

    @classmethod
    def of_row(cls, text: str | None, settings: Settings) -> Self:
        """Return the options that a row keeps, or the defaults if it keeps none."""
        return cls.defaults(settings) if text is None else cls.from_json(text)

    def to_json(self) -> str:
        """Return the options for a row: those that differ from the defaults of this class."""
        plain = AudioOptions()
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        different = {name: value for name, value in own.items() if value != getattr(plain, name)}
        return json.dumps(different, ensure_ascii=False, separators=(",", ":"))

    def document(self) -> dict[str, Any]:
        """Return all options by their names in an upload; None is an option that decides nothing."""
        plain = [option for option in OPTIONS.values() if option.field != "tags"]
        shown = {option.name: option.value.show(getattr(self, option.field)) for option in plain}
        if self.bitrate is not None:
            shown["quality"] = None
        return shown | {TAG_PREFIX + tag: text for tag, text in self.tags.items()}


def _declared() -> dict[str, Option]:
    """Return all options by name: in the order of their declarations, then the tags."""
    plain = [(item.name, item.metadata["option"]) for item in fields(AudioOptions) if item.metadata]
    options = [Option(**{**about, "name": about["name"] or name, "field": name}) for name, about in plain]
    for tag, value in TAGS.items():
        about = {"otherwise": "the source's", "help": "Tag in place of the source's; an empty one removes it."}
        options.append(Option(name=TAG_PREFIX + tag, field="tags", value=value, **about))
    return {option.name: option for option in options}


OPTIONS = _declared()
