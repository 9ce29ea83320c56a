"""Wires the ports: the one place where settings become services, each opened when it is first used."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from soundlift.common.errors import SettingError
from soundlift.common.logging import set_up_logging
from soundlift.common.process.shutdown import Shutdown, shutdown
from soundlift.common.settings import Settings

if TYPE_CHECKING:
    from soundlift.common.auth.tokens import Tokens
    from soundlift.common.auth.users import Users
    from soundlift.common.broker import Broker, Publisher
    from soundlift.common.db.engine import Database
    from soundlift.common.jobs.store import Jobs
    from soundlift.common.mail import Mail
    from soundlift.common.media import MediaStore
    from soundlift.common.notifications.store import Notifications


class Services:
    """Opens each port once a process, importing its driver only then: a function carries what it uses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def tokens(self) -> Tokens:
        """Signs and reads tokens; raises SettingError without JWT_SECRET."""
        from soundlift.common.auth.tokens import Tokens

        if not self.settings.jwt_secret:
            raise SettingError("Setting JWT_SECRET is missing: give at least 32 random bytes.", setting="JWT_SECRET")
        return Tokens(
            self.settings.jwt_secret,
            sign_in_seconds=self.settings.token_seconds,
            link_seconds=self.settings.link_seconds,
        )

    @cached_property
    def database(self) -> Database:
        """Runs transactions."""
        from soundlift.common.db.engine import open_database

        return open_database(_named("DATABASE_URL", self.settings.database_url))

    @cached_property
    def users(self) -> Users:
        """Keeps accounts."""
        from soundlift.common.auth.users import Users

        return Users(self.database)

    @cached_property
    def jobs(self) -> Jobs:
        """Keeps jobs."""
        from soundlift.common.jobs.store import Jobs

        return Jobs(self.database)

    @cached_property
    def notifications(self) -> Notifications:
        """The notifications of ended jobs."""
        from soundlift.common.notifications.store import Notifications

        return Notifications(self.database)

    @cached_property
    def videos(self) -> MediaStore:
        """Keeps videos."""
        from soundlift.common.media import open_media

        return open_media(_named("MEDIA_URL", self.settings.media_url), "videos")

    @cached_property
    def mp3s(self) -> MediaStore:
        """Keeps MP3s."""
        from soundlift.common.media import open_media

        return open_media(_named("MEDIA_URL", self.settings.media_url), "mp3s")

    @cached_property
    def broker(self) -> Broker:
        """Carries events."""
        from soundlift.common.broker import open_broker

        _named("BROKER_URL", self.settings.broker_url)
        return open_broker(self.settings)

    @cached_property
    def publisher(self) -> Publisher:
        """The broker that takes events, or a sink in front of one; raises SettingError where none is named.

        What publishes opens it when it first has an event: Knative's SinkBinding sets K_SINK after the first start.
        """
        from soundlift.common.broker import open_publisher

        if not self.settings.broker_url:
            raise SettingError(
                "Settings BROKER_URL and K_SINK are missing: name a broker or a sink, or set EMBEDDED=true.",
                setting="BROKER_URL",
            )
        return open_publisher(self.settings, lambda: self.broker)

    @cached_property
    def mail(self) -> Mail:
        """Sends mail."""
        from soundlift.common.mail import Mail

        return Mail(self.settings.smtp_url, ca_file=self.settings.smtp_ca_file)

    @property
    def shutdown(self) -> Shutdown:
        """Knows whether this process is to stop."""
        return shutdown

    def check(self, name: str) -> None:
        """Raise the error of a service, by its attribute's name, unless it can be used now."""
        service = getattr(self, name)
        check = getattr(service, "check", None)
        if check is not None:
            check()


def _named(name: str, url: str) -> str:
    """Return a URL; raise SettingError where nothing is named, and this machine is not to serve instead."""
    if not url:
        raise SettingError(f"Setting {name} is missing: name a server, or set EMBEDDED=true.", setting=name)
    return url


@cache
def services_of_process() -> Services:
    """Return this process's services, made from its environment; raises SettingError."""
    settings = Settings.from_environment()
    set_up_logging(settings.log_level)
    return Services(settings)
