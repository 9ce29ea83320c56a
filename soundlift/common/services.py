"""The wiring of all ports: settings become services, each opened at its first use."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from soundlift.common import observed
from soundlift.common.auth.services import AuthServices
from soundlift.common.errors import SettingError
from soundlift.common.logging import set_up_logging
from soundlift.common.process.shutdown import Shutdown, shutdown
from soundlift.common.settings import Settings
from soundlift.common.tracing.spans import is_on

if TYPE_CHECKING:
    from soundlift.common.broker import Broker, Publisher
    from soundlift.common.db.engine import Database
    from soundlift.common.jobs.admission import UploadAdmission
    from soundlift.common.jobs.direct_uploads import DirectUploadRows
    from soundlift.common.jobs.limits import UserLimits
    from soundlift.common.jobs.resumable_uploads import ResumableUploads
    from soundlift.common.jobs.store import Jobs
    from soundlift.common.mail import Mail
    from soundlift.common.media import MediaStore
    from soundlift.common.media.direct import DirectTransfers
    from soundlift.common.metrics.metrics import Metrics
    from soundlift.common.notifications.store import Notifications
    from soundlift.common.outbound.client import OutboundClient
    from soundlift.common.process.sandbox.sandbox import Sandbox
    from soundlift.common.webhooks.alerts import Alerts
    from soundlift.common.webhooks.deliveries import Deliveries
    from soundlift.common.webhooks.delivery_list import DeliveryList
    from soundlift.common.webhooks.endpoints import Endpoints


class Services(AuthServices):
    """The services of a process; a driver is imported only when used, so that an image contains only what it needs."""

    @cached_property
    def database(self) -> Database:
        """Return the database."""
        from soundlift.common.db.engine import open_database

        database = open_database(_require_url("DATABASE_URL", self.settings.database_url))
        if is_on():
            from soundlift.common.tracing.statements import trace_statements

            trace_statements(database.engine)
        return database

    @cached_property
    def jobs(self) -> Jobs:
        """Return the store of jobs."""
        return observed.open_jobs(self.database, self.metrics)

    @cached_property
    def resumable_uploads(self) -> ResumableUploads:
        """Return the store of resumable uploads."""
        from soundlift.common.jobs.resumable_uploads import ResumableUploads

        return ResumableUploads(self.database, keep_seconds=self.settings.resume_seconds)

    @cached_property
    def upload_admission(self) -> UploadAdmission:
        """Return the admission of uploads to the deployment."""
        from soundlift.common.jobs.admission import UploadAdmission

        return UploadAdmission(self.jobs, self.videos, self.settings)

    @cached_property
    def limits(self) -> UserLimits:
        """Return the store of the limits of users."""
        from soundlift.common.jobs.limits import UserLimits

        return UserLimits(self.database)

    @cached_property
    def notifications(self) -> Notifications:
        """Return the store of notifications of ended jobs."""
        return observed.open_notifications(self.database, self.metrics)

    @cached_property
    def webhooks(self) -> Endpoints:
        """Return the store of the endpoints that get webhooks."""
        from soundlift.common.webhooks.endpoints import Endpoints

        return Endpoints(self.database)

    @cached_property
    def webhook_alerts(self) -> Alerts:
        """Return the store of the mails about webhooks that fail."""
        from soundlift.common.webhooks.alerts import Alerts

        return Alerts(self.database)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Return the store of the deliveries of webhooks."""
        return observed.open_deliveries(self.database, self.settings.webhook_concurrency, self.metrics)

    @cached_property
    def delivery_list(self) -> DeliveryList:
        """Return the deliveries as the owners of webhooks see them."""
        from soundlift.common.webhooks.delivery_list import DeliveryList

        return DeliveryList(self.database, self.attempts)

    @cached_property
    def videos(self) -> MediaStore:
        """Return the media store of videos."""
        return self._open_media("videos")

    @cached_property
    def direct_uploads(self) -> DirectUploadRows:
        """Return the store of direct uploads."""
        from soundlift.common.jobs.direct_uploads import DirectUploadRows

        return DirectUploadRows(self.database)

    @cached_property
    def direct_videos(self) -> DirectTransfers | None:
        """Return the transfers between clients and the store of videos, or None if it has none."""
        return self._open_direct("videos")

    @cached_property
    def direct_mp3s(self) -> DirectTransfers | None:
        """Return the transfers between clients and the store of audio files, or None if it has none."""
        return self._open_direct("mp3s")

    @cached_property
    def mp3s(self) -> MediaStore:
        """Return the media store of audio files."""
        return self._open_media("mp3s")

    @cached_property
    def sandbox(self) -> Sandbox:
        """Return the sandbox of FFmpeg; raises SettingError if it is required and the system does not support it."""
        from soundlift.common.process.sandbox.sandbox import open_sandbox

        return open_sandbox(self.settings.sandbox)

    @cached_property
    def broker(self) -> Broker:
        """Return the broker."""
        from soundlift.common.broker import open_broker

        _require_url("BROKER_URL", self.settings.broker_url)
        return open_broker(self.settings)

    @cached_property
    def publisher(self) -> Publisher:
        """Return the broker, or the sink in front of one; raises SettingError if neither is configured.

        Publishers open it for their first event: Knative's SinkBinding sets K_SINK after the first start.
        """
        from soundlift.common.broker import open_publisher

        if not self.settings.broker_url:
            raise SettingError(
                "Settings BROKER_URL and K_SINK are missing: set one of them, or EMBEDDED=true.",
                setting="BROKER_URL",
            )
        publisher = open_publisher(self.settings, lambda: self.broker)
        return observed.observed_publisher(publisher, self.settings.broker_url, self.metrics)

    @cached_property
    def mail(self) -> Mail:
        """Return the service that sends mail."""
        from soundlift.common.mail import Mail

        return Mail(self.settings.smtp_url, ca_file=self.settings.smtp_ca_file)

    @cached_property
    def outbound(self) -> OutboundClient:
        """Return the client for requests to addresses that users name."""
        from soundlift.common.outbound.client import OutboundClient

        return OutboundClient.from_settings(self.settings)

    @property
    def shutdown(self) -> Shutdown:
        """Return the state of this process's shutdown."""
        return shutdown

    @cached_property
    def metrics(self) -> Metrics | None:
        """Return the metrics of this process, or None if they are not served."""
        if not self.settings.metrics_port:
            return None
        from soundlift.common.metrics.metrics import Metrics

        return Metrics()

    def check(self, name: str) -> None:
        """Raise the error of a service, named by its attribute, unless it is available."""
        service = getattr(self, name)
        check = getattr(service, "check", None)
        if check is not None:
            check()

    def _open_media(self, bucket: str) -> MediaStore:
        from soundlift.common.media import open_media

        store = open_media(_require_url("MEDIA_URL", self.settings.media_url), bucket)
        return observed.observed_store(store, bucket, self.metrics)

    def _open_direct(self, bucket: str) -> DirectTransfers | None:
        from soundlift.common.media.direct import open_direct_transfers

        settings = self.settings
        return open_direct_transfers(_require_url("MEDIA_URL", settings.media_url), bucket, settings.media_endpoint)


def _require_url(name: str, url: str) -> str:
    """Return the URL of a setting; raise SettingError if it is empty, which happens only with EMBEDDED=false."""
    if not url:
        raise SettingError(f"Setting {name} is missing: set it, or EMBEDDED=true.", setting=name)
    return url


@cache
def process_services() -> Services:
    """Return the services of this process, configured by its environment; raises SettingError."""
    settings = Settings.from_environment()
    set_up_logging(settings.log_level)
    return Services(settings)
