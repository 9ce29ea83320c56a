"""Makes the data folder of one machine, with its secret and its logs."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from soundlift.common.errors import SettingError

SECRET_BYTES = 32


def make_data_folder(folder: Path) -> None:
    """Make the folder, readable by its owner only, and the key of all tokens in it, unless they are there.

    Raises SettingError where the folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "it is not writable")
        for name in ("secrets", "logs"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        _make_secret(folder / "secrets" / "jwt-secret")
    except OSError as error:
        raise SettingError(
            f"The data folder {folder} cannot be used: {error.strerror}.", setting="SOUNDLIFT_DATA"
        ) from None


def _make_secret(file: Path) -> None:
    """Write a random secret that appears under its name whole or not at all, and never replaces another."""
    if file.exists():
        return
    draft = file.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as text:
            text.write(secrets.token_urlsafe(SECRET_BYTES))
            text.flush()
            os.fsync(text.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
