"""What functions left in the folder that they have for temporary files."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.process.temporary_folders import PREFIX


def read_temporary(folder: Path) -> frozenset[str]:
    """Return the names of what a process of Soundlift left behind, in the folder or in that of one process."""
    found = [*folder.glob(f"{PREFIX}*"), *folder.glob(f"*/{PREFIX}*")]
    return frozenset(str(path.relative_to(folder)) for path in found)
