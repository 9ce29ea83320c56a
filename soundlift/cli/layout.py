"""Lines about files, whose names may be longer than a terminal is wide."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

from rich.cells import cell_len, chop_cells

INDENT = "  "


def about(subject: str, text: str, stream: TextIO) -> str:
    """Return `subject: text`, broken after the subject if a terminal is too narrow for one line."""
    line = f"{subject}: {text}"
    width = shutil.get_terminal_size().columns
    if not stream.isatty() or cell_len(line) <= width:
        return line
    rest = textwrap.wrap(text, width, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)
    return "\n".join([*chop_cells(f"{subject}:", width), *rest])
