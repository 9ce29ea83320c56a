"""What functions left in the folder that they have for temporary files."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.process.temporary_folders import PREFIX


def read_temporary(folder: Path) -> frozenset[str]:
    """Return the names of the files and folders that a process of Soundlift left behind."""
    return frozenset(path.name for path in folder.iterdir() if path.name.startswith(PREFIX))
