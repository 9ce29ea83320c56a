"""A function and the baseline's server on the same deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.processes import Gunicorn, served

NO_QUOTA = {"MAX_JOBS_IN_FLIGHT": "0", "MAX_STORED_BYTES": "0"}  # one user sends every video, and none is converted


@dataclass(frozen=True)
class Pair:
    """A function's server and the baseline's, with the deployment that they share."""

    deployment: Deployment
    ours: Gunicorn
    plain: Gunicorn

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that sign the owner in."""
        return {"Authorization": f"Bearer {self.deployment.services.tokens.sign_in(OWNER, admin=False)}"}


@contextmanager
def served_with_baseline(function: str) -> Iterator[Pair]:
    """Serve a function and the plain Flask application."""
    with (
        temporary_deployment(**NO_QUOTA) as deployment,
        served(f"functions.{function}.handler:app", deployment.environment) as ours,
        served("bench.baselines.plain:app", deployment.environment) as plain,
    ):
        yield Pair(deployment, ours, plain)
