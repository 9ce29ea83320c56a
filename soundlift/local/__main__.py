"""Starts Soundlift on one machine: `python -m soundlift.local`, or `soundlift up`."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from soundlift.common.db.migrations import migrate
from soundlift.common.errors import SettingError, SoundliftError, Unavailable
from soundlift.common.logging import set_up_logging
from soundlift.common.process import lifeline
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.data_folder import hold_data_folder, make_data_folder, write_gateway_login
from soundlift.local.environment import HERE, environment_of, wants_mail_caught
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.stack import read_stack
from soundlift.local.supervisor import Supervisor

DEFAULT_PORT = 8080
SETTING_OF_SERVICE = {"database": "DATABASE_URL", "broker": "BROKER_URL", "videos": "MEDIA_URL", "mp3s": "MEDIA_URL"}


@click.command
@click.option(
    "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Port to serve on."
)
@click.option("--host", default=HERE, show_default=True, help="Address to serve on; 0.0.0.0 is all of them.")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder, instead of SOUNDLIFT_DATA.")
def main(port: int, host: str, data: Path | None) -> None:
    """Run Soundlift on this machine, until Ctrl-C."""
    set_up_logging("error")  # a terminal gets sentences, and logs go to files
    try:
        _run(host, port, (data or Settings.from_environment().soundlift_data).absolute())
    except SoundliftError as error:
        sys.exit(f"soundlift: {error.detail}")


def _run(host: str, port: int, data: Path) -> None:
    _check_port(host, port)
    environment = environment_of(os.environ, host=host, port=port, data=data)
    make_data_folder(data)
    hold_data_folder(data)
    settings = Settings.from_environment(environment)
    lifeline.hold(settings.lifeline_fd)
    read_stack(settings.stack_file)
    _prepare(Services(settings))
    write_gateway_login(data, settings)
    catcher = None
    if wants_mail_caught(os.environ, settings):
        catcher = MailCatcher(data / "mail")
        catcher.start()
        environment["SMTP_URL"] = catcher.url
    Supervisor(settings, environment, catcher).run(_greeting(settings, catcher))


def _prepare(services: Services) -> None:
    """Bring the tables up to date, and make the queues, once every setting is known to be usable.

    Raises SettingError or Unavailable, naming the setting, for what a function would stumble over at its first request.
    """
    for name in ("tokens", "mail", *SETTING_OF_SERVICE):
        getattr(services, name)
    with _naming("DATABASE_URL"):
        migrate(services.settings.database_url)
    for name, setting in SETTING_OF_SERVICE.items():
        with _naming(setting):
            services.check(name)
    services.broker.close()


@contextmanager
def _naming(setting: str) -> Iterator[None]:
    """Name the setting that leads to a server which cannot be used."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(f"Setting {setting}: {error.detail}", **error.evidence) from error


def _check_port(host: str, port: int) -> None:
    """Raise SettingError unless the address is ours and the port is free, asking for them the way gunicorn does."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except socket.gaierror as error:
            raise SettingError(f"There is no address {host}: {error.strerror}.", setting="HOST") from None
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else f"not to be had on {host}: {error.strerror}"
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
