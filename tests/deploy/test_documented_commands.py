"""Each command line in a document is one that the command accepts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from soundlift.cli.job import JobGroup
from soundlift.cli.main import soundlift

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GENERATED = ROOT / "docs" / "cli.md"  # from the declarations of the commands
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *(?:\$ )?(?:.* \| )?(?:[A-Z_]+=\S+ )*soundlift ([a-z-]+ ?.*)", re.MULTILINE)
REST = re.compile(r"\s+(?:#|[|>]).*")


def documented_commands() -> Iterator[tuple[str, str]]:
    """Return the name of each document and the command lines in its blocks, without `soundlift`."""
    for document in DOCUMENTS:
        if document == GENERATED:
            continue
        for block in BLOCK.findall(document.read_text(encoding="utf-8")):
            for line in COMMAND.findall(block.replace("\\\n", " ")):
                yield document.name, REST.sub("", line)


def parse(arguments: list[str]) -> None:
    """Parse a command line without running it; raises UsageError."""
    command: click.Command = soundlift
    context = None
    while isinstance(command, click.Group):
        context = command.make_context(command.name, arguments.copy(), parent=context)
        if isinstance(command, JobGroup) and arguments[0] not in command.commands:
            arguments = ["show", *arguments]
        _, found, arguments = command.resolve_command(context, arguments)  # a group has no options of its own
        assert found is not None
        command = found
    command.make_context(command.name, arguments, parent=context)


@pytest.mark.parametrize(("document", "line"), sorted(set(documented_commands())))
def test_the_command_accepts_what_a_document_shows(document: str, line: str) -> None:
    try:
        parse(shlex.split(line))
    except click.BadParameter as error:
        assert "does not exist" in error.message  # a file of the example


def test_a_command_line_that_is_wrong_is_found() -> None:
    with pytest.raises(click.UsageError):
        parse(["hook", "send", "HOOK"])
    with pytest.raises(click.UsageError):
        parse(["hook", "add", "https://example.org/", "--named"])
