"""The `soundlift` command and its subcommands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from soundlift.cli.deployment import services_for_writing
from soundlift.cli.error_text import print_error
from soundlift.cli.exit_codes import ExitCode, exit_code
from soundlift.cli.lazy_group import LazyGroup
from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError
from soundlift.common.logging import set_up_logging
from soundlift.local.command import data_option

COMMANDS = {
    "cancel": "soundlift.cli.job_actions:cancel",
    "convert": "soundlift.cli.convert:convert",
    "dead": "soundlift.cli.dead:dead",
    "demo": "soundlift.cli.demo:demo",
    "doctor": "soundlift.cli.doctor.command:doctor",
    "download": "soundlift.cli.download:download",
    "hook": "soundlift.cli.hook:hook",
    "job": "soundlift.cli.job:job",
    "jobs": "soundlift.cli.jobs:jobs",
    "key": "soundlift.cli.key:key",
    "link": "soundlift.cli.link:link",
    "login": "soundlift.cli.login:login",
    "logout": "soundlift.cli.login:logout",
    "migrate-data": "soundlift.cli.migrate_data:migrate_data",
    "open": "soundlift.cli.open:open_",
    "reconcile": "soundlift.cli.reconcile:reconcile",
    "retry": "soundlift.cli.job_actions:retry",
    "rm": "soundlift.cli.job_actions:rm",
    "size": "soundlift.cli.size:size",
    "smoke-test": "soundlift.cli.smoke_test:smoke_test",
    "top": "soundlift.cli.top.command:top",
    "up": "soundlift.local.command:up",
    "user": "soundlift.cli.user:user",
    "whoami": "soundlift.cli.login:whoami",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
