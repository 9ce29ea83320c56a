"""The database and the media store that are compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from soundlift.common.db.engine import Database
from soundlift.common.jobs.store import Jobs
from soundlift.common.media import MediaStore, list_files, open_media
from soundlift.common.media.inventory import Inventory, take_inventory
from soundlift.common.services import Services

BUCKETS = ("videos", "mp3s")


@dataclass(frozen=True)
class Deployment:
    """The database and the buckets of a deployment, with the inventory of each bucket."""

    database: Database
    jobs: Jobs
    stores: dict[str, MediaStore]
    inventories: dict[str, Inventory]
    retention: int


@contextmanager
def open_deployment(services: Services) -> Iterator[Deployment]:
    """Yield the deployment of these services, after listing its store; raises SettingError or StoreUnavailable."""
    stores = {bucket: open_media(services.settings.media_url, bucket) for bucket in BUCKETS}
    services.database.check()
    for store in stores.values():
        store.check()
    inventories = {bucket: take_inventory(list_files(store)) for bucket, store in stores.items()}
    try:
        retention = services.settings.retention_seconds
        yield Deployment(services.database, services.jobs, stores, inventories, retention)
    finally:
        for inventory in inventories.values():
            inventory.close()
