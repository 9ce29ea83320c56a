"""Starts Soundlift on one machine: `python -m soundlift.local`, or `soundlift up`."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sys
from pathlib import Path

import click

from soundlift.common.errors import SettingError, SoundliftError
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.data_folder import make_data_folder, make_databases
from soundlift.local.environment import HERE, environment_of, wants_mail_caught
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.stack import read_stack
from soundlift.local.supervisor import Supervisor

DEFAULT_PORT = 8080


@click.command
@click.option(
    "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Port to serve on."
)
@click.option("--data", type=click.Path(path_type=Path), help="Data folder, instead of SOUNDLIFT_DATA.")
def main(port: int, data: Path | None) -> None:
    """Run Soundlift on this machine, until Ctrl-C."""
    try:
        _run(port, (data or Settings.from_environment().soundlift_data).absolute())
    except SoundliftError as error:
        sys.exit(f"soundlift: {error.detail}")


def _run(port: int, data: Path) -> None:
    _check_port(port)
    environment = environment_of(os.environ, port=port, data=data)
    make_data_folder(data)
    settings = Settings.from_environment(environment)
    read_stack(settings.stack_file)
    _check_addresses(settings)
    make_databases(settings)
    catcher = None
    if wants_mail_caught(os.environ, settings):
        catcher = MailCatcher(data / "mail")
        catcher.start()
        environment["SMTP_URL"] = catcher.url
    Supervisor(settings, environment, catcher).run(_greeting(settings, catcher))


def _check_addresses(settings: Settings) -> None:
    """Raise SettingError for a setting that a function would stumble over at its first request."""
    services = Services(settings)
    for port in ("tokens", "database", "videos", "broker", "mail"):
        getattr(services, port)


def _check_port(port: int) -> None:
    """Raise SettingError unless the port is free, asking for it the way gunicorn does."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HERE, port))
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else f"not to be had: {error.strerror}"
            raise SettingError(f"Port {port} is {why}. Choose another with --port.", setting="PORT") from None


def _greeting(settings: Settings, catcher: MailCatcher | None) -> str:
    data, url = settings.soundlift_data, settings.gateway_url
    with_data = "" if data == Settings.from_environment().soundlift_data else f" --data {shlex.quote(str(data))}"
    with_url = "" if settings.port == DEFAULT_PORT else f" --url {url}"
    return f"""Soundlift is ready at {url}; its data and logs are in {data}

  Add a user:       soundlift user add you@example.org{with_data}
  Convert a video:  soundlift convert video.mp4{with_url}

{"Mail is caught and shown here. " if catcher else ""}Ctrl-C stops."""


if __name__ == "__main__":
    main()
