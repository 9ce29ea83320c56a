"""The commands of a documentation page, run as an operator runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

from devservers.server import NotInstalled

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def documented_commands(page: str, heading: str) -> list[str]:
    """Return the blocks of commands below a heading of a page."""
    text = (DOCS / page).read_text()
    section = re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return [dedent(block) for block in BLOCK.findall(section)]


def require_programs(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            raise NotInstalled(name, f"on Debian and Ubuntu, apt-get install {name}")


def run_shell(commands: str, folder: Path, **environment: str) -> None:
    subprocess.run(
        ["sh", "-eu", "-c", commands],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        timeout=60,
    )
