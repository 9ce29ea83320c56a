"""The words with which the user runs this command, so that printed commands can be copied."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "soundlift"
IN_TEXT = f"`{NAME} "  # how messages quote a command


@cache
def program_name() -> str:
    """Return `soundlift` if PATH leads to this installation, else the path of its script.

    Without a script (`python -m`, as tests and images start it), it is `soundlift`, as in the documents.
    """
    script = Path(sys.argv[0])
    on_path = shutil.which(NAME)
    if script.name != NAME or (on_path and _same_file(Path(on_path), script)):
        return NAME
    return shlex.quote(_shortest(script.absolute()))


def runnable(text: str) -> str:
    """Return a message in which every quoted command begins with the program's name on this machine."""
    return text.replace(IN_TEXT, f"`{program_name()} ")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _shortest(path: Path) -> str:
    """Return a path relative to the current folder if it is below that."""
    try:
        return str(path.relative_to(os.getcwd()))  # noqa: PTH109 - as text, without resolving links
    except (ValueError, OSError):
        return str(path)
