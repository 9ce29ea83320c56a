"""Is the `soundlift` command: its subcommands, and how it ends when something goes wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from soundlift.cli.convert import convert
from soundlift.cli.dead import dead
from soundlift.cli.demo import demo
from soundlift.cli.deployment import data_option, own_services
from soundlift.cli.smoke_test import smoke_test
from soundlift.cli.user import user
from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError
from soundlift.common.logging import set_up_logging

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="soundlift")
def soundlift() -> None:
    """Turn videos into MP3s."""


@soundlift.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to serve on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on; 0.0.0.0 is all of them.")
@data_option
def up(port: int, host: str, data: Path | None) -> None:
    """Run all of Soundlift on this machine, until Ctrl-C, with those servers that settings name."""
    arguments = ["--port", str(port), "--host", host, *(["--data", str(data)] if data else [])]
    os.execv(sys.executable, [sys.executable, "-m", "soundlift.local", *arguments])  # noqa: S606 - no shell is wanted


@soundlift.command()
def connector() -> None:
    """Carry events from the broker to the functions, until SIGTERM; the environment says where both are."""
    os.execv(sys.executable, [sys.executable, "-m", "soundlift.connector"])  # noqa: S606 - no shell is wanted


@soundlift.command()
@data_option
def migrate(data: Path | None) -> None:
    """Bring the database's tables up to date."""
    from soundlift.common.db.migrations import migrate as bring_up_to_date

    bring_up_to_date(own_services(data).settings.database_url)
    click.echo("The tables are up to date.")


for command in (convert, dead, demo, smoke_test, user):
    soundlift.add_command(command)


def main() -> None:
    """Run the command; say what went wrong in one sentence, with exit code 1."""
    set_up_logging("error")  # a terminal gets sentences
    try:
        soundlift.main(standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SoundliftError as error:
        cause = error.evidence.get("cause")
        sys.exit(f"soundlift: {error.detail}{f' ({cause})' if cause else ''}")
    except ClientError as error:
        sys.exit(f"soundlift: {error.detail}")
    except OSError as error:
        sys.exit(f"soundlift: {error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
