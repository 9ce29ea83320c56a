"""The command-line options of an upload, which determine how the audio file is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX

# A command has flags for the options whose values are keywords. The server validates the values, since each deployment
# can have its own bounds.
PLAIN = [option for option in OPTIONS.values() if option.metavar]
FLAGS = (
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
        options = {option.name: rest.pop(option.name) for option in PLAIN}
        if loudness is not None and normalize is not None:
            raise click.UsageError("Use either --loudness or --normalize, not both.")
        options["normalize"] = loudness if normalize is None else str(normalize).lower()
        options["tags"] = "strip" if strip_tags else None
        options["cover"] = "drop" if no_cover else None
        options |= {TAG_PREFIX + name: value for name, value in map(_tag, tags)}
        command(**rest, options={name: value for name, value in options.items() if value is not None})

    for add in reversed([*_plain_options(), *FLAGS]):
        with_options = add(with_options)
    return with_options


def _plain_options() -> Iterable[Callable[..., Any]]:
    for option in PLAIN:
        flag = f"--{option.name.replace('_', '-')}"
        yield click.option(flag, option.name, metavar=option.metavar, help=option.help)


def _tag(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text} must be NAME=VALUE, such as title=Holiday.", param_hint="--tag")
    return name, value
