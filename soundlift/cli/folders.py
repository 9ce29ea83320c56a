"""The videos in a folder, and what else is in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from soundlift.common.audio.formats import SIGNATURE_BYTES, is_known_format

VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("3g2", "3gp", "asf", "avi", "divx", "f4v", "flv", "m2t", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg"),
        *("mpg", "mts", "mxf", "ogm", "ogv", "qt", "ts", "vob", "webm", "wmv"),
    )
)


@dataclass
class Folder:
    """The videos in a folder, in order, and what is left out: numbers of files and folders, and unreadable ones."""

    path: Path
    videos: list[Path] = field(default_factory=list)
    other_files: int = 0
    other_folders: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> str:
        """What is left out, as the rest of a sentence; empty if nothing is."""
        parts = (
            _count(self.other_files, "other file"),
            _count(self.other_folders, "folder", " (--recursive includes them)"),
            _count(len(self.unreadable), "unreadable folder"),
        )
        return ", ".join(part for part in parts if part)


def search(path: Path, *, recursive: bool) -> Folder:
    """Search a folder, and all below it if `recursive`; hidden ones are ignored, and links to folders not followed.

    A video has a suffix of one, and a signature that servers accept: `.ts` is also a suffix of source code. A file
    that cannot be read counts as a video if its suffix is one, so that its conversion reports the reason.
    """
    found = Folder(path)
    for parent, folders, names in os.walk(path, onerror=lambda error: found.unreadable.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not recursive:
            found.other_folders = len(folders)
            folders.clear()
        for file in (Path(parent, name) for name in names if not name.startswith(".")):
            if _is_video(file):
                found.videos.append(file)
            else:
                found.other_files += 1
    found.videos.sort()
    return found


def _is_video(file: Path) -> bool:
    if file.suffix.lower() not in VIDEO_SUFFIXES or not file.is_file():
        return False
    try:
        with file.open("rb") as opened:
            return is_known_format(opened.read(SIGNATURE_BYTES))
    except OSError:
        return True


def _count(number: int, noun: str, remark: str = "") -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}{remark}" if number else ""
