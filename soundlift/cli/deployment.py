"""The deployment that a command works on, found from the environment and --data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from soundlift.common.errors import SettingError
from soundlift.common.process.data_folder import make_files_private, restrict_data_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.data_folder import check_access

SQLITE = "sqlite:///"


def services_for_writing(data: Path | None, *, creates: bool = False) -> Services:
    """Return the services for a command that writes to the data folder, after making that folder private.

    Files that the command creates are private too. Raises SettingError, also if there is no deployment yet: a mistyped
    folder must not become a new, empty one. A command that `creates` one may do so in the default folder, and in an
    existing folder that the user names.
    """
    make_files_private()
    services = create_services(data)
    folder = services.settings.soundlift_data
    if services.settings.embedded:
        check_deployment(services.settings, named=data is not None or "SOUNDLIFT_DATA" in os.environ, creates=creates)
        if folder.is_dir():
            restrict_data_folder(folder)
    return services


def account_services(data: Path | None, *, creates: bool = False) -> Services:
    """Return the services for a command about accounts, after migrating the database if it is a local SQLite file."""
    services = services_for_writing(data, creates=creates)
    url = services.settings.database_url
    if url.startswith(SQLITE):
        from soundlift.common.db.migrations import migrate

        services.settings.soundlift_data.mkdir(mode=0o700, parents=True, exist_ok=True)
        migrate(url)
    return services


def create_services(data: Path | None, environ: Mapping[str, str] = os.environ) -> Services:
    """Return the services that an environment describes, with `data` as the data folder if given.

    Secrets are read from the data folder, as `up` does. Raises SettingError.
    """
    return Services(Settings.from_environment(deployment_variables(data, environ)))


def deployment_variables(data: Path | None, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the variables that `create_services` reads; raises SettingError if the data folder cannot be used."""
    variables = {**environ, **({"SOUNDLIFT_DATA": str(data.absolute())} if data else {})}
    folder = Settings.read(variables)[0].soundlift_data
    check_access(folder)
    return {"SECRETS_FOLDER": str(folder / "secrets"), **variables}


def check_deployment(settings: Settings, *, named: bool, creates: bool) -> None:
    """Raise SettingError if a command expects a deployment, and the data folder or its database does not exist."""
    folder = settings.soundlift_data
    database = Path(settings.database_url.removeprefix(SQLITE))
    if database.parent != folder:
        return  # it is on a server, or in another place that the user has set
    if not (folder.is_dir() if creates and named else creates or database.exists()):
        raise SettingError(
            f"There is no Soundlift in the data folder {folder}. Check --data and SOUNDLIFT_DATA, or start one there "
            "with `soundlift up`.",
            setting="SOUNDLIFT_DATA",
        )
