"""The services of which calls are counted, if metrics are served, and recorded, if there is a collector of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundlift.common.tracing.spans import is_on

if TYPE_CHECKING:
    from soundlift.common.broker import Publisher
    from soundlift.common.db.engine import Database
    from soundlift.common.jobs.store import Jobs
    from soundlift.common.media import MediaStore
    from soundlift.common.metrics.metrics import Metrics
    from soundlift.common.notifications.store import Notifications
    from soundlift.common.webhooks.deliveries import Deliveries


def open_jobs(database: Database, metrics: Metrics | None) -> Jobs:
    """Return the store of jobs."""
    if metrics:
        from soundlift.common.metrics.jobs import MeasuredJobs

        return MeasuredJobs(database, metrics)
    from soundlift.common.jobs.store import Jobs

    return Jobs(database)


def open_notifications(database: Database, metrics: Metrics | None) -> Notifications:
    """Return the store of notifications."""
    if metrics:
        from soundlift.common.metrics.notifications import MeasuredNotifications

        return MeasuredNotifications(database, metrics)
    from soundlift.common.notifications.store import Notifications

    return Notifications(database)


def open_deliveries(database: Database, concurrency: int, metrics: Metrics | None) -> Deliveries:
    """Return the store of the deliveries of webhooks, of one user at most `concurrency` at a time."""
    if metrics:
        from soundlift.common.metrics.deliveries import MeasuredDeliveries

        return MeasuredDeliveries(database, concurrency=concurrency, metrics=metrics)
    from soundlift.common.webhooks.deliveries import Deliveries

    return Deliveries(database, concurrency=concurrency)


def observed_store(store: MediaStore, bucket: str, metrics: Metrics | None) -> MediaStore:
    """Return a media store, or one around it that observes its calls."""
    if is_on():
        from soundlift.common.tracing.stores import traced_store

        store = traced_store(store, bucket)
    if metrics:
        from soundlift.common.metrics.media import MeasuredStore

        store = MeasuredStore(store, bucket, metrics)
    return store


def observed_publisher(publisher: Publisher, url: str, metrics: Metrics | None) -> Publisher:
    """Return a publisher to the broker at a URL, or one around it that observes its calls."""
    if is_on():
        from soundlift.common.tracing.events import TracedPublisher, messaging_system

        publisher = TracedPublisher(publisher, messaging_system(url))
    if metrics:
        from soundlift.common.metrics.publisher import MeasuredPublisher

        publisher = MeasuredPublisher(publisher, metrics)
    return publisher
