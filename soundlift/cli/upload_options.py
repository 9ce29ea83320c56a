"""The command-line options of an upload, which determine how the MP3 is made."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

# The server validates the values, since each deployment can have its own bounds.
VALUES = {
    "bitrate": click.option("--bitrate", metavar="KBIT/S", help="Constant bit rate, from 32 to 320."),
    "quality": click.option(
        "--quality", metavar="0-9", help="Quality of a variable bit rate: 0 is the best, 9 the smallest file."
    ),
    "sample_rate": click.option("--sample-rate", metavar="HZ", help="Sample rate; audio is never upsampled."),
    "channels": click.option("--channels", metavar="1|2", help="Mono or stereo."),
    "start": click.option("--start", metavar="TIME", help="Start time: seconds, or [HH:]MM:SS[.mmm]."),
    "end": click.option("--end", metavar="TIME", help="End time, in the same format."),
    "track": click.option("--track", metavar="TRACK", help="Audio track: a number starting at 1, or a language."),
}
FLAGS_AND_TAGS = (
    click.option(
        "--normalize/--no-normalize",
        default=None,
        help="Normalize to the server's default loudness, or do not normalize.",
    ),
    click.option("--loudness", metavar="LUFS", help="Normalize to this loudness, such as -16."),
    click.option("--strip-tags", is_flag=True, help="Do not copy the tags of the file."),
    click.option(
        "--tag",
        "tags",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a tag, such as title=…; an empty value removes it.",
    ),
    click.option("--no-cover", is_flag=True, help="Do not copy the cover."),
)


def upload_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which receives them as one mapping `options` for Client.upload."""

    @wraps(command)
    def with_options(
        normalize: bool | None,
        loudness: str | None,
        strip_tags: bool,
        tags: tuple[str, ...],
        no_cover: bool,
        **rest: Any,
    ) -> None:
        options = {name: rest.pop(name) for name in VALUES}
        if loudness is not None and normalize is not None:
            raise click.UsageError("Use either --loudness or --normalize, not both.")
        options["normalize"] = loudness if normalize is None else str(normalize).lower()
        options["tags"] = "strip" if strip_tags else None
        options["cover"] = "drop" if no_cover else None
        options |= {f"tag.{name}": value for name, value in map(_tag, tags)}
        command(**rest, options={name: value for name, value in options.items() if value is not None})

    for option in reversed((*VALUES.values(), *FLAGS_AND_TAGS)):
        with_options = option(with_options)
    return with_options


def _tag(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text} must be NAME=VALUE, such as title=Holiday.", param_hint="--tag")
    return name, value
