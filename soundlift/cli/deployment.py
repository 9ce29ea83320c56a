"""The deployment that a command works on, found from the environment and --data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from soundlift.common.process.data_folder import make_files_private, restrict_data_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings


def services_for_writing(data: Path | None) -> Services:
    """Return the services for a command that writes to the data folder, after making that folder private.

    Files that the command creates are private too. Raises SettingError.
    """
    make_files_private()
    services = create_services(data)
    folder = services.settings.soundlift_data
    if services.settings.embedded and folder.is_dir():
        restrict_data_folder(folder)
    return services


def create_services(data: Path | None, environ: Mapping[str, str] = os.environ) -> Services:
    """Return the services that an environment describes, with `data` as the data folder if given.

    Secrets are read from the data folder, as `up` does. Raises SettingError.
    """
    variables = {**environ, **({"SOUNDLIFT_DATA": str(data.absolute())} if data else {})}
    folder = Settings.from_environment(variables).soundlift_data
    return Services(Settings.from_environment({"SECRETS_FOLDER": str(folder / "secrets"), **variables}))
