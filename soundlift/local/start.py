"""Start-up of Soundlift on one machine: check the settings, prepare the data folder, run the supervisor."""

from __future__ import annotations

import errno
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundlift.common.db.migrations import migrate
from soundlift.common.errors import SettingError, Unavailable
from soundlift.common.process import lifeline
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.data_folder import check_access, lock_data_folder, prepare_data_folder, write_gateway_login
from soundlift.local.environment import needs_mail_catcher, stack_environment
from soundlift.local.greeting import greeting
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.stack import read_stack
from soundlift.local.supervisor import Supervisor

SETTING_OF_SERVICE = {"database": "DATABASE_URL", "broker": "BROKER_URL", "videos": "MEDIA_URL", "mp3s": "MEDIA_URL"}


def start(host: str, port: int, data: Path | None, retention_seconds: int | None = None) -> None:
    """Run Soundlift on an address until Ctrl-C; `data` is its data folder, by default the one in the settings.

    `retention_seconds` overrides the setting of that name. Raises SettingError or Unavailable, naming the setting at
    fault, if it cannot start.
    """
    data = (data or Settings.from_environment().soundlift_data).absolute()
    _check_port(host, port, "PORT", "--port")
    check_access(data)
    kept = {} if retention_seconds is None else {"RETENTION_SECONDS": str(retention_seconds)}
    environment = stack_environment({**os.environ, **kept}, host=host, port=port, data=data)
    prepare_data_folder(data)
    lock_data_folder(data)
    settings = Settings.from_environment(environment)
    lifeline.watch(settings.lifeline_fd)
    for number, name in ((settings.metrics_port, "METRICS_PORT"), (settings.connector_port, "CONNECTOR_PORT")):
        if number:
            _check_port(host, number, name, name)
    read_stack(settings.stack_file)
    _prepare(Services(settings))
    write_gateway_login(data, settings)
    catcher = None
    if needs_mail_catcher(os.environ, settings):
        catcher = MailCatcher(data / "mail")
        catcher.start()
        environment["SMTP_URL"] = catcher.url
    gc.collect()  # the connections of the checks are garbage
    gc.freeze()  # what remains stays until the end, so that no garbage collection needs to visit it
    Supervisor(settings, environment, catcher).run(greeting(settings, catches_mail=catcher is not None))


def _prepare(services: Services) -> None:
    """Check that every setting is usable, then migrate the database and declare the queues.

    Raises SettingError or Unavailable, naming the setting, for problems that would otherwise fail the first request.
    """
    for name in ("tokens", "mail", *SETTING_OF_SERVICE):
        getattr(services, name)
    with _name_setting("DATABASE_URL"):
        migrate(services.settings.database_url)
    for name, setting in SETTING_OF_SERVICE.items():
        with _name_setting(setting):
            services.check(name)
    services.broker.close()


@contextmanager
def _name_setting(setting: str) -> Iterator[None]:
    """Name the setting in the error about an unavailable server."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(f"Setting {setting}: {error.detail}", **error.evidence) from error


def _check_port(host: str, port: int, setting: str, option: str) -> None:
    """Raise SettingError unless the port can be bound with the socket options that gunicorn uses.

    `option` is what chooses another port.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except socket.gaierror as error:
            raise SettingError(f"The address {host} cannot be resolved: {error.strerror}.", setting="HOST") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SettingError(f"Port {port} is in use. Choose another with {option}.", setting=setting) from None
            message = f"Port {port} cannot be bound on {host}: {error.strerror}. Choose another with {option}."
            raise SettingError(message, setting=setting) from None
