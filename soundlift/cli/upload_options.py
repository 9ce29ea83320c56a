"""The options of an upload, as options of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX

# Options whose value is a word are flags of a command; the server says which values it accepts.
PLAIN = [option for option in OPTIONS.values() if option.metavar]
FLAGS = (
    click.option(
        "--normalize/--no-normalize", default=None, help="Bring the sound to the server's loudness, or leave it."
    ),
    click.option("--loudness", metavar="LUFS", help="Bring the sound to this loudness, such as -16."),
    click.option("--strip-tags", is_flag=True, help="Leave out the file's own tags."),
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
        given = {option.name: rest.pop(option.name) for option in PLAIN}
        if loudness is not None and normalize is not None:
            raise click.UsageError("Say either --loudness or --normalize.")
        given["normalize"] = loudness if normalize is None else str(normalize).lower()
        given["tags"] = "strip" if strip_tags else None
        given["cover"] = "drop" if no_cover else None
        given |= {TAG_PREFIX + name: value for name, value in map(_tag, tags)}
        command(**rest, options={name: value for name, value in given.items() if value is not None})

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
