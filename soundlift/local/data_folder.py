"""The data folder of a local deployment, with its secret and its logs."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from soundlift.common.errors import SettingError
from soundlift.common.process.data_folder import DATABASES, make_files_private, restrict_data_folder
from soundlift.common.settings import Settings

SECRET_BYTES = 32
MIN_FREE_BYTES = 8 * 2**20  # for the tables, their logs and a first mail
LOCK_FILE = "up.lock"


def check_access(folder: Path) -> None:
    """Raise SettingError if this user may not even see whether the folder exists."""
    try:
        (folder / "secrets").exists()
    except OSError as error:
        raise _unusable(folder, error) from None


def prepare_data_folder(folder: Path) -> None:
    """Create the folder and the token secret in it if they are missing, and make the folder private to its owner.

    From then on, this process and its children create files that only their owner can read. Raises SettingError if
    the folder cannot be used or cannot be made private.
    """
    make_files_private()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "it is not writable")
        restrict_data_folder(folder)
        if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
            raise OSError(0, "its disk is full; free some space")
        for name in DATABASES:
            if (folder / name).exists() and not os.access(folder / name, os.W_OK):
                raise PermissionError(0, f"{name} is read-only")
        for name in ("secrets", "logs"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        _create_secret(folder / "secrets" / "jwt-secret")
    except OSError as error:
        raise _unusable(folder, error) from None


def lock_data_folder(folder: Path) -> None:
    """Lock the folder until this process ends; raises SettingError if another process holds the lock.

    The kernel releases the lock when this process ends for any reason. Children that are still finishing their work do
    not hold it: the descriptor is closed on exec (PEP 446), so no child inherits it.
    """
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"Soundlift already uses the data folder {folder}; stop it, or choose another folder with --data."
        raise SettingError(message, setting="SOUNDLIFT_DATA") from None
    except OSError as error:
        raise _unusable(folder, error) from None


def write_gateway_login(folder: Path, settings: Settings) -> None:
    """Write the gateway's login, USER:PASSWORD, to a file for the operator; raises SettingError."""
    file = folder / "secrets" / "gateway-login"
    try:
        with _temporary_file(file, f"{settings.basic_auth_user}:{settings.basic_auth_password}") as temporary:
            temporary.replace(file)
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> SettingError:
    return SettingError(f"The data folder {folder} cannot be used: {error.strerror}.", setting="SOUNDLIFT_DATA")


def _create_secret(file: Path) -> None:
    """Create a file with a random secret, atomically and without replacing an existing file."""
    if file.exists():
        return
    with _temporary_file(file, secrets.token_urlsafe(SECRET_BYTES)) as temporary, suppress(FileExistsError):
        os.link(temporary, file)


@contextmanager
def _temporary_file(file: Path, content: str) -> Iterator[Path]:
    """Yield a file with the content, synced to disk, in the folder of another file; remove it afterwards."""
    temporary = file.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as text:
            text.write(content)
            text.flush()
            os.fsync(text.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
