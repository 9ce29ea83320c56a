"""The addresses at which a deployment is seen from outside, and one look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from soundlift.client import Client
from tests.chaos.outside.api import read_jobs, read_sounds
from tests.chaos.outside.store import read_store
from tests.chaos.outside.temporary import read_temporary
from tests.chaos.outside.view import Mail, Outside


@dataclass(frozen=True)
class Deployment:
    """Where to look: the API as an admin, the store's own address, the broker's counts, the mails, and the TMPDIR.

    `waiting` returns the number of messages by queue, without those for dead letters.
    """

    admin: Client
    media_url: str
    waiting: Callable[[], Mapping[str, int]]
    mails: Callable[[], Iterable[Mail]]
    temporary: Path | None = None


def look(deployment: Deployment) -> Outside:
    """Return what is seen from outside now."""
    jobs = read_jobs(deployment.admin)
    return Outside(
        jobs=jobs,
        videos=read_store(deployment.media_url, "videos"),
        outputs=read_store(deployment.media_url, "mp3s"),
        sounds=read_sounds(deployment.admin, jobs),
        waiting=deployment.waiting(),
        mails=list(deployment.mails()),
        temporary=read_temporary(deployment.temporary) if deployment.temporary else frozenset(),
    )
