"""Finds the deployment that a command works on, from the environment and --data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from soundlift.common.process.data_folder import close_data_folder, make_files_private
from soundlift.common.services import Services
from soundlift.common.settings import Settings

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder, instead of SOUNDLIFT_DATA."
)


def own_services(data: Path | None) -> Services:
    """Return the services for a command that writes into the data folder, which is closed to other users first.

    Files that the command makes are the owner's only. Raises SettingError.
    """
    make_files_private()
    services = services_of(data)
    folder = services.settings.soundlift_data
    if services.settings.embedded and folder.is_dir():
        close_data_folder(folder)
    return services


def services_of(data: Path | None, environ: Mapping[str, str] = os.environ) -> Services:
    """Return the services that an environment describes, in the data folder if one is named.

    Secrets come from that folder, too, as they do for `up`. Raises SettingError.
    """
    named = {**environ, **({"SOUNDLIFT_DATA": str(data.absolute())} if data else {})}
    folder = Settings.from_environment(named).soundlift_data
    return Services(Settings.from_environment({"SECRETS_FOLDER": str(folder / "secrets"), **named}))
