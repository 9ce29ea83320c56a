"""A function and the baseline's server, on one deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.harness.processes import Gunicorn, served
from bench.harness.stage import OWNER, Stage, stage

NO_QUOTA = {"MAX_JOBS_IN_FLIGHT": "0", "MAX_STORED_BYTES": "0"}  # one user sends all, and nothing converts it


@dataclass(frozen=True)
class Pair:
    """A function's server and the baseline's, with the deployment that both work on."""

    place: Stage
    ours: Gunicorn
    plain: Gunicorn

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that sign the owner in."""
        return {"Authorization": f"Bearer {self.place.services.tokens.sign_in(OWNER, admin=False)}"}


@contextmanager
def served_with_baseline(function: str) -> Iterator[Pair]:
    """Serve a function and the plain Flask application."""
    with (
        stage(**NO_QUOTA) as place,
        served(f"functions.{function}.handler:app", place.environment) as ours,
        served("bench.baselines.plain:app", place.environment) as plain,
    ):
        yield Pair(place, ours, plain)
