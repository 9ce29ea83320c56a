"""The two deployments of a migration, each described by the environment, a data folder or a file of settings."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import click

from soundlift.cli.deployment import SQLITE, check_deployment, create_services
from soundlift.common.db.engine import Database, open_database
from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings
from soundlift.local.data_folder import lock_data_folder

GROUP_AND_OTHERS = 0o077
STATEMENT_SECONDS = 600.0  # counting a large table takes long


@dataclass(frozen=True)
class Endpoint:
    """A deployment that data are copied from or to."""

    settings: Settings

    def open_database(self) -> Database:
        """Return the database, whose tables must be there; raises DatabaseUnavailable or SettingError."""
        if not self.settings.database_url:
            raise SettingError("Setting DATABASE_URL is missing: add it to the file.", setting="DATABASE_URL")
        database = open_database(self.settings.database_url, seconds=STATEMENT_SECONDS)
        database.check()
        return database

    def lock(self) -> bool:
        """Keep `soundlift up` from starting until this process ends, if the database is in a data folder.

        Return whether it is. Raises SettingError if `up` is running.
        """
        folder = self.settings.soundlift_data
        is_embedded = self.settings.database_url == f"{SQLITE}{folder}/soundlift.db"
        if is_embedded:
            lock_data_folder(folder)
        return is_embedded


def read_endpoint(path: Path | None, data: Path | None = None) -> Endpoint:
    """Return the deployment of a data folder or of a file of settings; without a path, that of the environment.

    Raises SettingError, also for a folder without a deployment: SQLite would create an empty database there.
    """
    if path is None:
        return Endpoint(create_services(data).settings)
    if path.is_dir():
        folder = path.absolute()
        settings = _settings({"SOUNDLIFT_DATA": str(folder), "SECRETS_FOLDER": str(folder / "secrets")})
        check_deployment(settings, named=True, creates=False)
        return Endpoint(settings)
    if stat.S_IMODE(path.stat().st_mode) & GROUP_AND_OTHERS:
        click.echo(f"Warning: other users can read {path}, which has passwords: run chmod 600 {path}", err=True)
    return Endpoint(_settings({"EMBEDDED": "false", "SECRETS_FOLDER": os.devnull, **read_variables(path)}))


def read_variables(path: Path) -> dict[str, str]:
    """Return the variables of a file of lines NAME=VALUE, as for `docker run --env-file`, also with quotes.

    Raises SettingError.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise SettingError(f"{path} is not a text file: write lines NAME=VALUE, in UTF-8.", setting="") from None
    variables = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise SettingError(f"Line {number} of {path} is not a setting: write NAME=VALUE.", setting="")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        variables[name] = value[1:-1] if quoted else value
    return variables


def _settings(variables: dict[str, str]) -> Settings:
    return Settings.from_environment(variables)
