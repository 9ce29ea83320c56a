"""The words with which the user runs this command, so that printed commands can be copied."""

from __future__ import annotations

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "soundlift"
IN_TEXT = f"`{NAME} "  # how messages quote a command


@cache
def program_name() -> str:
    """Return how the user runs this program in the current folder."""
    return name_of(Path(sys.argv[0]).absolute(), shutil.which(NAME), Path.cwd())


def name_of(script: Path, on_path: str | None, folder: Path) -> str:
    """Return `soundlift` if PATH leads to the script, else its path, which is relative if it is below the folder.

    Without a script (`python -m`, as tests and images start it), it is `soundlift`, as in the documents.
    """
    if script.name != NAME or (on_path and _same_file(Path(on_path), script)):
        return NAME
    return shlex.quote(str(script.relative_to(folder) if folder in script.parents else script))


def runnable(text: str, name: str | None = None) -> str:
    """Return a message in which every quoted command begins with the program's name on this machine."""
    return text.replace(IN_TEXT, f"`{name or program_name()} ")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
