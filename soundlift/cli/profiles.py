"""The deployments that a user has signed in to, one profile each, in the platform's folder for configuration.

The files hold secrets: the folder and the files are accessible to their owner only, and a file is replaced as a whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import click
from platformdirs import user_config_path

DEFAULT_PROFILE = "default"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class SavedSession:
    """A sign-in to a deployment; without tokens, it has ended, and only the address and the account are remembered."""

    url: str
    email: str
    access_token: str | None = None
    refresh_token: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse the content of a file; raises ValueError."""
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
        values: dict[str, Any] = {field.name: document.get(field.name) for field in fields(cls)}
        if not all(isinstance(values[name], str) for name in ("url", "email")):
            raise ValueError("url or email is missing")
        if not all(isinstance(values[name], str | None) for name in ("access_token", "refresh_token")):
            raise ValueError("a token is not a text")
        return cls(**values)


class Profile:
    """The file of one profile, which several commands may use at the same time; `folder` replaces the platform's."""

    def __init__(self, name: str = DEFAULT_PROFILE, folder: Path | None = None) -> None:
        if not NAME.fullmatch(name) or name.endswith(SUFFIX):
            raise click.UsageError("A profile's name consists of letters, digits, dots, hyphens and underscores.")
        self.name = name
        self._file = (folder or _folder()) / f"{name}{SUFFIX}"

    def load(self) -> SavedSession | None:
        """Return the saved session, or None; raises ClickException if the file cannot be used."""
        try:
            return SavedSession.of(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else error
            message = f"The profile {self._file} cannot be read: {cause}. Delete it, and sign in again"
            raise click.ClickException(message) from None

    def save(self, session: SavedSession) -> None:
        """Replace the file atomically; raises OSError."""
        self._prepare_folder()
        temporary = self._file.with_name(f".{self.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(session), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self._file.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for other commands that renew this session; the kernel releases the lock of a killed one."""
        self._prepare_folder()
        descriptor = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _prepare_folder(self) -> None:
        for folder in (self._file.parents[1], self._file.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)


def all_profiles() -> list[Profile]:
    """Return the profiles that have been saved, by name."""
    names: list[str] = []
    with suppress(FileNotFoundError):
        names = sorted(file.stem for file in _folder().iterdir() if file.suffix == SUFFIX and NAME.fullmatch(file.stem))
    return [Profile(name) for name in names]


def _folder() -> Path:
    return user_config_path("soundlift", appauthor=False) / "profiles"
