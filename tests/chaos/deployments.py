"""The deployments that a run can use: processes over servers, or the embedded stack; each with its faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.faults import embedded, kinds
from tests.chaos.faults.kinds import Injector
from tests.chaos.history import History
from tests.chaos.schedule import Kind
from tests.chaos.system.embedded import running_embedded
from tests.chaos.system.running import RunningSystem
from tests.chaos.system.system import running_system

EMBEDDED = "embedded"
STORES = ("gridfs", "s3", "folder", EMBEDDED)


@dataclass(frozen=True)
class Faults:
    """The kinds of faults that a run injects, what injects each, by its name, and why others are skipped."""

    kinds: Sequence[Kind]
    skipped: Mapping[str, str]
    injectors: Mapping[str, Injector]

    def without(self, names: Collection[str]) -> Faults:
        """Return the same without the kinds of these names."""
        return replace(self, kinds=[kind for kind in self.kinds if kind.name not in names])


@contextmanager
def running(
    folder: Path, store: str, history: History, users: list[str], extra: Mapping[str, str]
) -> Iterator[tuple[RunningSystem, Faults]]:
    """Run a deployment in a folder with accounts for users, and `extra` in the environment of its processes."""
    if store == EMBEDDED:
        with running_embedded(folder, history, users, extra) as system:
            yield system, Faults(*embedded.possible_kinds(), embedded.BY_NAME)
        return
    with running_system(folder, store, history, users, extra) as system_of_servers:
        yield system_of_servers, Faults(*kinds.possible_kinds(system_of_servers, store), kinds.BY_NAME)
