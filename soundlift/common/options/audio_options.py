"""The declarations of all options, and the options of one job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from soundlift.common.audio.output_formats import REQUESTABLE, known_options
from soundlift.common.options import values
from soundlift.common.options.copying import ALWAYS, AUTO, COPY_CHOICES, ENCODING_OPTIONS, NEVER, copy_choice
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


FORMATS = values.keyword({name: name for name in REQUESTABLE})


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option: its name in an upload, the field of AudioOptions that holds its value, and its documentation.

    `default` describes what applies if the option is not given; `help` and `details` are sentences. `metavar` stands
    for the value in the help of `soundlift convert`. `maximum` names the setting that limits the value. `by_format` has
    the values of the formats that allow only some.
    """

    name: str
    field: str
    value: Value
    default: str
    help: str
    details: str = ""
    metavar: str = ""
    maximum: str = ""
    by_format: Mapping[str, Value] | None = None

    def value_in(self, audio_format: str) -> Value:
        """Return the kind of value that a format allows."""
        return (self.by_format or {}).get(audio_format, self.value)


def _option(default: Any, value: Value, *, name: str = "", default_text: str, **texts: Any) -> Any:
    return field(default=default, metadata={"option": {"name": name, "value": value, "default": default_text, **texts}})


@dataclass(frozen=True, kw_only=True)
class AudioOptions:
    """The complete options of one job; options that the upload did not give have the server's defaults.

    `bitrate` is in kbit/s; if it is None, LAME's `quality`, from 0 (best) to 9, or the format's default applies. `copy`
    is `auto` only if nothing that the upload gave changes the sound; see `options.copying`. `track` is the
    number of an audio track, from 1, or an ISO 639 language code in lower case; None selects the main track.
    `normalize` is a loudness in LUFS (EBU R 128). `tags` replace the source's tags; an empty value removes the tag.
    """

    format: str = _option(
        "mp3",
        FORMATS,
        metavar="FORMAT",
        default_text="`mp3`",
        help=f"Format of the audio file: {FORMATS.allowed}.",
        details="`original` is the track as it is, in the format that fits its codec.",
    )
    copy: str = _option(
        NEVER,
        values.keyword({name: name for name in COPY_CHOICES}),
        metavar="auto|never|always",
        default_text="`auto`",
        help="Copy a track that has the format already, without encoding it again.",
        details="`auto` copies if no option changes the sound. `always` fails if the track cannot be copied.",
    )
    bitrate: int | None = _option(
        None,
        values.BITRATE,
        metavar="KBIT/S",
        maximum="max_audio_bitrate",
        by_format=values.BITRATES,
        default_text="MP3: `AUDIO_BITRATE` if set, else variable; others: [by channels](#formats)",
        help="Bit rate: constant for MP3, on average for M4A and Opus.",
        details="Written `192` or `192k`. MP3: at most 64 up to 12000 Hz, and at most 160 up to 24000 Hz.",
    )
    quality: int = _option(
        2,
        values.QUALITY,
        metavar="0-9",
        default_text="`AUDIO_QUALITY`",
        help="Quality of MP3 at a variable bit rate: 0 is best, 9 is smallest.",
        details="LAME's V0 to V9; not together with `bitrate`.",
    )
    sample_rate: int | None = _option(
        None,
        values.SAMPLE_RATE,
        metavar="HZ",
        maximum="max_sample_rate",
        default_text="the source's, or the next lower of these",
        help="Maximum sample rate.",
        details="A source with a lower sample rate keeps it.",
    )
    channels: int | None = _option(
        None, values.CHANNELS, metavar="1|2", default_text="the source's, at most 2", help="Mono or stereo."
    )
    start: float = _option(
        0.0,
        values.TIME,
        metavar="TIME",
        default_text="`0`",
        help="Start time in the source: seconds, or [HH:]MM:SS[.mmm].",
        details="Exact to the sample, unless the track is copied.",
    )
    end: float | None = _option(
        None,
        values.TIME,
        metavar="TIME",
        default_text="the end of the source",
        help="End time in the source.",
        details="Exact to the sample, unless the track is copied.",
    )
    track: int | str | None = _option(
        None,
        values.TRACK,
        metavar="TRACK",
        default_text="the main track",
        help="Audio track: its number from 1, or its language.",
        details="For example `2`, `en` or `eng`.",
    )
    normalize: float | None = _option(
        None,
        values.NORMALIZE,
        default_text="`AUDIO_NORMALIZE` if set, else `false`",
        help="Normalize the loudness (EBU R 128).",
        details="The loudness is measured first. `true` means `AUDIO_LOUDNESS`.",
    )
    strip_tags: bool = _option(
        False,
        values.keyword({"keep": False, "strip": True}),
        name="tags",
        default_text="`keep`",
        help="Keep or leave out the source's tags, such as its title.",
    )
    cover: bool = _option(
        True,
        values.keyword({"keep": True, "drop": False}),
        default_text="`keep`",
        help="Keep or leave out the cover picture.",
    )
    webhook: str | None = _option(
        None,
        values.WEBHOOK,
        metavar="ID|URL",
        default_text="only those for all jobs",
        help="Announce the job to this webhook of yours too: its id, or its URL.",
        details="Webhooks that get all jobs need not be named.",
    )
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def defaults(cls, settings: Settings) -> Self:
        """Return the options of an upload without options."""
        bitrate = values.MP3_BITRATE.read(settings.audio_bitrate) if settings.audio_bitrate else None
        copy = AUTO if settings.audio_normalize is None else NEVER
        return cls(bitrate=bitrate, quality=settings.audio_quality, normalize=settings.audio_normalize, copy=copy)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options stored in a job row, without those that only a newer release knows."""
        known = {item.name for item in fields(cls)}
        stored = {name: value for name, value in json.loads(text).items() if name in known}
        return cls(**{"copy": copy_choice(stored), **stored})

    @classmethod
    def from_row(cls, text: str | None, settings: Settings) -> Self:
        """Return the options stored in a job row, or the server's defaults if it has none."""
        return cls.defaults(settings) if text is None else cls.from_json(text)

    def to_json(self) -> str:
        """Return the options for a job row: those that differ from what `from_json` otherwise assumes."""
        defaults = AudioOptions()
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "copy"}
        different = {name: value for name, value in own.items() if value != getattr(defaults, name)}
        if self.copy != copy_choice(different):
            different["copy"] = self.copy
        return json.dumps(different, ensure_ascii=False, separators=(",", ":"))

    def document(self) -> dict[str, Any]:
        """Return all options by their names in an upload; None stands for an option without effect."""
        declared = [option for option in OPTIONS.values() if option.field != "tags"]
        shown = {option.name: option.value.show(getattr(self, option.field)) for option in declared}
        without_effect = OPTIONS.keys() - known_options(self.format)
        if self.copy == ALWAYS:
            without_effect |= {*ENCODING_OPTIONS}
        if self.bitrate is not None:
            without_effect |= {"quality"}
        shown |= dict.fromkeys(shown.keys() & without_effect)
        return shown | {TAG_PREFIX + tag: text for tag, text in self.tags.items()}


def _declared() -> dict[str, Option]:
    """Return all options by name, in the order of their declarations, followed by the tags."""
    declared = [(item.name, item.metadata["option"]) for item in fields(AudioOptions) if item.metadata]
    options = [Option(**{**texts, "name": texts["name"] or name, "field": name}) for name, texts in declared]
    for tag, value in TAGS.items():
        texts: dict[str, Any] = {
            "default": "the source's",
            "help": "Replaces the source's tag; an empty value removes it.",
        }
        options.append(Option(name=TAG_PREFIX + tag, field="tags", value=value, **texts))
    return {option.name: option for option in options}


OPTIONS = _declared()
