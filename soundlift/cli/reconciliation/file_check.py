"""The search for files in the store that no job names."""

from __future__ import annotations

import time
from collections.abc import Iterator

from soundlift.cli.reconciliation.deployment import Deployment
from soundlift.cli.reconciliation.findings import Action, Finding
from soundlift.common.jobs.files import jobs_of_files
from soundlift.common.media import ListedFile


def check_files(deployment: Deployment, *, grace: int, apply: bool) -> Iterator[Finding]:
    """Yield the files that no job names; if `apply`, delete those that are older than `grace` seconds.

    A row is older than its files, and outlives them. The rows are read after the listing, so a file without a row
    belongs to no upload and to no conversion, except that of a worker that has lost its claim.
    """
    for bucket in deployment.stores:
        for file in _unnamed(deployment, bucket):
            action = _action(file, youngest=time.time() - grace)
            if apply and action == Action.DELETE_FILE:
                deployment.stores[bucket].delete(file.fid)
            yield Finding(action=action, done=apply, file=f"{bucket}/{file.fid}", size=file.size)


def has_named_file(deployment: Deployment) -> bool:
    """Return whether the store has any file that a job names; otherwise, it may be that of another deployment."""
    return any(
        jobs_of_files(deployment.database, bucket, [file.fid for file in page])
        for bucket, inventory in deployment.inventories.items()
        for page in inventory.pages()
    )


def _unnamed(deployment: Deployment, bucket: str) -> Iterator[ListedFile]:
    for page in deployment.inventories[bucket].pages():
        named = jobs_of_files(deployment.database, bucket, [file.fid for file in page])
        yield from (file for file in page if file.fid not in named)


def _action(file: ListedFile, *, youngest: float) -> Action:
    if not file.ours:
        return Action.KEEP_FOREIGN_FILE
    return Action.DELETE_FILE if file.modified_at < youngest else Action.KEEP_YOUNG_FILE
