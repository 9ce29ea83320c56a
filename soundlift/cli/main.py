"""The `soundlift` command and its subcommands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from soundlift.cli.convert import convert
from soundlift.cli.dead import dead
from soundlift.cli.demo import demo
from soundlift.cli.deployment import services_for_writing
from soundlift.cli.doctor.command import doctor
from soundlift.cli.download import download
from soundlift.cli.error_text import print_error
from soundlift.cli.exit_codes import ExitCode, exit_code
from soundlift.cli.hook import hook
from soundlift.cli.job import job
from soundlift.cli.job_actions import cancel, retry, rm
from soundlift.cli.jobs import jobs
from soundlift.cli.key import key
from soundlift.cli.link import link
from soundlift.cli.login import login, logout, whoami
from soundlift.cli.migrate_data import migrate_data
from soundlift.cli.open import open_
from soundlift.cli.reconcile import reconcile
from soundlift.cli.size import size
from soundlift.cli.smoke_test import smoke_test
from soundlift.cli.top.command import top
from soundlift.cli.user import user
from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError
from soundlift.common.logging import set_up_logging
from soundlift.local.command import data_option, up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="soundlift")
def soundlift() -> None:
    """Turn videos into audio files."""


@soundlift.command()
def connector() -> None:
    """Deliver events to the functions.

    It runs until SIGTERM. The broker and the functions are set in the environment.
    """
    os.execv(sys.executable, [sys.executable, "-P", "-m", "soundlift.connector"])  # noqa: S606 - no shell is needed


@soundlift.command()
@data_option
def migrate(data: Path | None) -> None:
    """Create or update the database's tables."""
    from soundlift.common.db.migrations import migrate as migrate_database

    migrate_database(services_for_writing(data, creates=True).settings.database_url)
    click.echo("The tables are up to date.")


COMMANDS = (
    *(up, demo, login, logout, whoami),
    *(convert, jobs, job, download, cancel, rm, retry, link, open_, key, hook),
    *(user, migrate, migrate_data, reconcile, dead, top, doctor, size, smoke_test, connector),
)
for command in COMMANDS:
    soundlift.add_command(command)


def main() -> None:
    """Run the command, and exit with its code; print an error as one sentence."""
    set_up_logging("error")  # errors are printed as sentences
    try:
        result = soundlift.main(standalone_mode=False)
        sys.stdout.flush()  # while an error can still be reported
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except BrokenPipeError:  # such as of `soundlift jobs | head`; the reader knows that it has ended
        discard_output()
        sys.exit(ExitCode.FAILED)
    except (click.ClickException, ClientError, SoundliftError, OSError) as error:
        discard_output()
        print_error(error)
        sys.exit(exit_code(error))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(result if isinstance(result, int) else ExitCode.OK)  # click returns the code of Context.exit


def discard_output() -> None:
    """Discard what could not be written to standard output, which Python would try again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
