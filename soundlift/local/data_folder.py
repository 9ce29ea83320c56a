"""Makes the data folder of one machine, with its secret and its logs."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from soundlift.common.errors import SettingError
from soundlift.common.process.data_folder import close_data_folder, make_files_private
from soundlift.common.settings import Settings

SECRET_BYTES = 32
LOCK_FILE = "up.lock"


def make_data_folder(folder: Path) -> None:
    """Make the folder, and the key of all tokens in it, unless they are there; let only its owner in.

    From here on, this process and its children make files for their owner only. Raises SettingError where the folder
    cannot be used, or cannot be closed to others.
    """
    make_files_private()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "it is not writable")
        close_data_folder(folder)
        for name in ("secrets", "logs"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        _make_secret(folder / "secrets" / "jwt-secret")
    except OSError as error:
        raise _unusable(folder, error) from None


def hold_data_folder(folder: Path) -> None:
    """Lock the folder for the life of this process; raises SettingError where another process holds it.

    The kernel releases the lock when this process ends, however that happens: no child inherits the descriptor, which
    is closed on exec (PEP 446), so children that still finish their work do not hold it.
    """
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sentence = f"Soundlift already runs on the data folder {folder}; stop it, or choose another folder with --data."
        raise SettingError(sentence, setting="SOUNDLIFT_DATA") from None
    except OSError as error:
        raise _unusable(folder, error) from None


def write_gateway_login(folder: Path, settings: Settings) -> None:
    """Keep the gateway's login, USER:PASSWORD, for whoever calls cleanup by hand; raises SettingError."""
    file = folder / "secrets" / "gateway-login"
    try:
        with _draft(file, f"{settings.basic_auth_user}:{settings.basic_auth_password}") as draft:
            draft.replace(file)
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> SettingError:
    return SettingError(f"The data folder {folder} cannot be used: {error.strerror}.", setting="SOUNDLIFT_DATA")


def _make_secret(file: Path) -> None:
    """Write a random secret that appears under its name whole or not at all, and never replaces another."""
    if file.exists():
        return
    with _draft(file, secrets.token_urlsafe(SECRET_BYTES)) as draft, suppress(FileExistsError):
        os.link(draft, file)


@contextmanager
def _draft(file: Path, content: str) -> Iterator[Path]:
    """Yield a file beside another that has the content on the disk; remove the draft afterwards."""
    draft = file.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as text:
            text.write(content)
            text.flush()
            os.fsync(text.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
