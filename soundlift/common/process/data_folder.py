"""Keeps the data folder of one machine closed to everybody but its owner."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from soundlift.common.errors import SettingError

OTHERS = 0o077  # the permissions of everybody but the owner
DATABASES = ("soundlift.db", "queue.db")
OURS = frozenset(
    [f"{name}{suffix}" for name in DATABASES for suffix in ("", "-wal", "-shm", "-journal")]
    + ["logs", "mail", "media", "secrets", "up.lock", "up.log", ".soundlift-lock"]
)
OF_THE_SYSTEM = frozenset(["lost+found", ".DS_Store"])


def make_files_private() -> None:
    """Make every file that this process and its children create from now on the owner's only."""
    os.umask(OTHERS)


def close_data_folder(folder: Path) -> None:
    """Take the permissions of others from an existing data folder and from all that is in it.

    A folder that others can read, and that holds anything besides Soundlift's data, is not changed but refused: it may
    be somebody's home. One that is private already may hold other things, and is left as it is. A symbolic link to the
    folder is followed, and those in it are not. Raises SettingError where the folder is refused or its permissions
    cannot be changed, and OSError where it cannot be read.
    """
    folder = folder.resolve()
    names = set(os.listdir(folder))  # noqa: PTH208 - only names are wanted
    others = sorted(names - OURS - OF_THE_SYSTEM)
    if others:
        if _is_open(folder):
            raise _refusal(
                f"Other users can read the data folder {folder}, and it contains files that are not Soundlift's, "
                f"such as {others[0]}. Choose a folder of its own, or run chmod 700 on this one."
            )
        return
    for path in (*(folder / name for name in sorted(names & OURS)), folder):
        try:
            with suppress(FileNotFoundError):  # a process that uses it has removed it meanwhile
                _close(path)
        except PermissionError:
            raise _refusal(
                f"Other users can read {path}, and only its owner can change that. Choose another data folder, "
                f"or have the owner run chmod -R go= on this one."
            ) from None
    if _is_open(folder):
        raise _refusal(
            f"Other users can read the data folder {folder}, and its file system does not support permissions. "
            "Choose a folder on another file system."
        )


def _is_open(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & OTHERS)


def _close(path: Path) -> None:
    """Take the permissions of others from a file, or from a folder and what is in it.

    The folder comes last: its own permissions say whether what is in it has been seen to.
    """
    if not _is_open(path):
        return
    if path.is_dir():
        for below in path.iterdir():
            with suppress(FileNotFoundError):
                _close(below)
    path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)


def _refusal(sentence: str) -> SettingError:
    return SettingError(sentence, setting="SOUNDLIFT_DATA")
