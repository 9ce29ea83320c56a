"""Permissions of the data folder: only its owner has access."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from soundlift.common.errors import SettingError

GROUP_AND_OTHERS = 0o077  # permissions of group and others
DATABASES = ("soundlift.db", "queue.db")
OWN_FILES = frozenset(
    [f"{name}{suffix}" for name in DATABASES for suffix in ("", "-wal", "-shm", "-journal")]
    + ["logs", "mail", "media", "secrets", "up.lock", "up.log", ".soundlift-lock"]
)
SYSTEM_FILES = frozenset(["lost+found", ".DS_Store"])


def make_files_private() -> None:
    """Give only the owner access to the files that this process and its children create from now on."""
    os.umask(GROUP_AND_OTHERS)


def restrict_data_folder(folder: Path) -> None:
    """Remove the permissions of group and others from an existing data folder and its contents.

    A folder that others can read and that contains files other than Soundlift's is rejected instead: it may be
    somebody's home. A private folder may contain other files, and is not changed. A symbolic link to the folder is
    followed; symbolic links in it are not. Raises SettingError if the folder is rejected or its permissions cannot be
    changed, and OSError if it cannot be read.
    """
    folder = folder.resolve()
    names = set(os.listdir(folder))  # noqa: PTH208 - only names are needed
    others = sorted(names - OWN_FILES - SYSTEM_FILES)
    if others:
        if _others_have_access(folder):
            raise _error(
                f"Other users can read the data folder {folder}, and it contains files that are not Soundlift's, "
                f"such as {others[0]}. Choose a separate folder, or run chmod 700 on this one."
            )
        return
    for path in (*(folder / name for name in sorted(names & OWN_FILES)), folder):
        try:
            with suppress(FileNotFoundError):  # another process has removed it in the meantime
                _make_private(path)
        except PermissionError:
            raise _error(
                f"Other users can read {path}, and only its owner can change that. Choose another data folder, "
                f"or have the owner run chmod -R go= on this one."
            ) from None
    if _others_have_access(folder):
        raise _error(
            f"Other users can read the data folder {folder}, and its file system does not support permissions. "
            "Choose a folder on another file system."
        )


def _others_have_access(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & GROUP_AND_OTHERS)


def _make_private(path: Path) -> None:
    """Remove the permissions of group and others from a file, or from a folder and its contents.

    The folder itself comes last: as long as others can access it, the next start repeats an interrupted run.
    """
    if not _others_have_access(path):
        return
    if path.is_dir():
        for child in path.iterdir():
            with suppress(FileNotFoundError):
                _make_private(child)
    path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~GROUP_AND_OTHERS)


def _error(message: str) -> SettingError:
    return SettingError(message, setting="SOUNDLIFT_DATA")
