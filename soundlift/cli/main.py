"""The `soundlift` command: its subcommands, and the exit codes of errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from soundlift.cli.convert import convert
from soundlift.cli.dead import dead
from soundlift.cli.demo import demo
from soundlift.cli.deployment import services_for_writing
from soundlift.cli.error_text import error_text
from soundlift.cli.smoke_test import smoke_test
from soundlift.cli.user import user
from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError
from soundlift.common.logging import set_up_logging
from soundlift.local.command import data_option, up

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="soundlift")
def soundlift() -> None:
    """Turn videos into MP3s."""


@soundlift.command()
def connector() -> None:
    """Deliver events from the broker to the functions until SIGTERM.

    The broker and the functions are set in the environment.
    """
    os.execv(sys.executable, [sys.executable, "-m", "soundlift.connector"])  # noqa: S606 - no shell is needed


@soundlift.command()
@data_option
def migrate(data: Path | None) -> None:
    """Create the tables of the database, or update them."""
    from soundlift.common.db.migrations import migrate as migrate_database

    migrate_database(services_for_writing(data).settings.database_url)
    click.echo("The tables are up to date.")


for command in (convert, dead, demo, smoke_test, up, user):
    soundlift.add_command(command)


def main() -> None:
    """Run the command; print an error as one sentence and exit with code 1."""
    set_up_logging("error")  # errors are printed as sentences
    try:
        soundlift.main(standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ClientError, SoundliftError, OSError) as error:
        sys.exit(f"soundlift: {error_text(error)}.")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
