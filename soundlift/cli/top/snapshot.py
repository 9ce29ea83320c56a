"""What `soundlift top` shows at one moment, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from soundlift.cli.top.source import Reading, Source
from soundlift.common.broker import SINKS, QueueCount
from soundlift.common.jobs.overview import Overview, read_overview
from soundlift.common.services import Services


@dataclass(frozen=True)
class Snapshot:
    """The answers of the database and of the broker."""

    overview: Reading[Overview]
    queues: Reading[Sequence[QueueCount]]

    @property
    def errors(self) -> dict[str, str]:
        """Return why a server has not answered, by its name."""
        errors = {"database": self.overview.error, "broker": self.queues.error}
        return {name: error for name, error in errors.items() if error}

    @property
    def document(self) -> dict[str, Any]:
        """Return a JSON object; what is unknown is null, and the reason is among the errors."""
        return {
            "errors": self.errors,
            "queues": None if self.queues.value is None else [asdict(one) for one in self.queues.value],
            **(asdict(self.overview.value) if self.overview.value else dict.fromkeys(Overview.__dataclass_fields__)),
        }


class Sources:
    """The database and the broker of a deployment."""

    def __init__(self, services: Services) -> None:
        self._database = Source("database", lambda: read_overview(services.database))
        self._broker = Source("broker", lambda: _counts(services))

    def start(self, seconds: float) -> None:
        """Ask both every `seconds`."""
        self._database.start(seconds)
        self._broker.start(seconds)

    def wait(self, seconds: float) -> None:
        """Wait for the first answer of each."""
        self._database.wait(seconds)
        self._broker.wait(seconds)

    @property
    def latest(self) -> Snapshot:
        """Return the last answers."""
        return Snapshot(self._database.latest, self._broker.latest)


def _counts(services: Services) -> Sequence[QueueCount]:
    """Return the counts of the queues; none behind a sink, which belong to the platform."""
    if services.settings.broker_url.partition("://")[0] in SINKS:
        services.publisher.check()
        return []
    return services.broker.counts()
