"""Gives a command the options of an upload: how the MP3 is to be made."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

# What is allowed is the server's to say: its bounds may be others.
VALUES = {
    "bitrate": click.option("--bitrate", metavar="KBIT/S", help="Constant bit rate, from 32 to 320."),
    "quality": click.option("--quality", metavar="0-9", help="Variable bit rate: 0 is best, 9 is smallest."),
    "sample_rate": click.option("--sample-rate", metavar="HZ", help="Sample rate; it is never raised."),
    "channels": click.option("--channels", metavar="1|2", help="Mono or stereo."),
    "start": click.option("--start", metavar="TIME", help="Where to begin: seconds, or [HH:]MM:SS[.mmm]."),
    "end": click.option("--end", metavar="TIME", help="Where to end."),
    "track": click.option("--track", metavar="TRACK", help="Audio track: its number from 1, or its language."),
}
LABELS = (
    click.option(
        "--normalize/--no-normalize", default=None, help="Bring the sound to the server's loudness, or leave it."
    ),
    click.option("--loudness", metavar="LUFS", help="Bring the sound to this loudness, such as -16."),
    click.option("--strip-tags", is_flag=True, help="Leave out what the file says of itself."),
    click.option(
        "--tag",
        "tags",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a tag, such as title=…; an empty one is removed.",
    ),
    click.option("--no-cover", is_flag=True, help="Leave the cover out."),
)


def upload_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets them as one mapping `options`, as Client.upload takes it."""

    @wraps(command)
    def with_options(
        normalize: bool | None,
        loudness: str | None,
        strip_tags: bool,
        tags: tuple[str, ...],
        no_cover: bool,
        **rest: Any,
    ) -> None:
        given = {name: rest.pop(name) for name in VALUES}
        if loudness is not None and normalize is not None:
            raise click.UsageError("Say either --loudness or --normalize.")
        given["normalize"] = loudness if normalize is None else str(normalize).lower()
        given["tags"] = "strip" if strip_tags else None
        given["cover"] = "drop" if no_cover else None
        given |= {f"tag.{name}": value for name, value in map(_tag, tags)}
        command(**rest, options={name: value for name, value in given.items() if value is not None})

    for option in reversed((*VALUES.values(), *LABELS)):
        with_options = option(with_options)
    return with_options


def _tag(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text} must be NAME=VALUE, such as title=Holiday.", param_hint="--tag")
    return name, value
