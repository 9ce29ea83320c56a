"""Write docs/cli.md, the reference of the command, from its declarations: `python docs/cli.py`."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.main import soundlift

FILE = Path(__file__).parent / "cli.md"
MEANINGS = {
    ExitCode.OK: "Success.",
    ExitCode.FAILED: "A conversion failed, or something on this machine did: a file, a setting, the data folder.",
    ExitCode.USAGE: "A mistake in the command line.",
    ExitCode.CANNOT_CONNECT: "No server responded, or the connection broke.",
    ExitCode.SIGN_IN: "There is no session, or the server refused the password, the token or the session.",
    ExitCode.REFUSED: "The server refused the request for another reason.",
    ExitCode.INTERRUPTED: "Stopped with Ctrl-C.",
}
INTRODUCTION = """# The command: reference

Written by `python docs/cli.py` from the declarations of the commands. [The command](command.md) is an introduction.

## Exit codes

{codes}

Every error is one line on standard error, `soundlift: what happened; what to do.` Results are printed on standard
output, and questions, progress and notes on standard error. `NO_COLOR` disables colours.

## Completion

The shell completes commands and options after one of these lines in its start-up file:

```
eval "$(_SOUNDLIFT_COMPLETE=bash_source soundlift)"          # ~/.bashrc
eval "$(_SOUNDLIFT_COMPLETE=zsh_source soundlift)"           # ~/.zshrc
_SOUNDLIFT_COMPLETE=fish_source soundlift | source           # ~/.config/fish/config.fish
```
"""


def command_page() -> str:
    """Return the page."""
    codes = ["| code | meaning |", "|---|---|", *(f"| {code} | {MEANINGS[code]} |" for code in ExitCode)]
    context = click.Context(soundlift, info_name="soundlift")
    sections = [
        section
        for name in soundlift.list_commands(context)
        for section in sections_of(name, soundlift.get_command(context, name), context)
    ]
    return "\n".join([INTRODUCTION.format(codes="\n".join(codes)), *sections])


def sections_of(name: str, command: click.Command, parent: click.Context) -> list[str]:
    """Return the section of a command, or those of the commands in a group."""
    context = click.Context(command, info_name=name, parent=parent)
    if isinstance(command, click.Group):
        return [section for item in command.commands.items() for section in sections_of(*item, context)]
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"## {context.command_path}", "", inspect.cleandoc(command.help or ""), "", "```", usage, "```", ""]
    if rows := [row for row in map(option_row, command.get_params(context)) if row]:
        lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return ["\n".join(lines)]


def option_row(parameter: click.Parameter) -> str:
    """Return the row of an option, or an empty text for an argument and for --help."""
    if not isinstance(parameter, click.Option) or "--help" in parameter.opts:
        return ""
    record = parameter.get_help_record(click.Context(soundlift))
    names, meaning = (" ".join(text.split()).replace("|", "\\|") for text in record or ("", ""))
    return f"| `{names}` | {meaning} |"


if __name__ == "__main__":
    FILE.write_text(command_page())
