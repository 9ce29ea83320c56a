"""Injects the faults of a schedule, each lane in a thread of its own, and records them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tests.chaos.faults.kinds import Injector
from tests.chaos.schedule import Fault
from tests.chaos.system.running import RunningSystem


class Injection:
    """The faults of one lane, each injected by the entry with its name; `stop` ends the current one and all others."""

    def __init__(self, system: RunningSystem, faults: Sequence[Fault], injectors: Mapping[str, Injector]) -> None:
        self.injected: list[Fault] = []
        self._system = system
        self._faults = faults
        self._injectors = injectors
        self._began = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the current fault, undo it, and wait for that."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        for fault in self._faults:
            if self._stopping.wait(max(0, self._began + fault.at - time.monotonic())):
                return
            self._inject(fault)

    def _inject(self, fault: Fault) -> None:
        values = asdict(fault)
        del values["at"]
        self._record(values, "begin")
        try:
            with self._injectors[fault.name](self._system, fault):
                self._record(values, "active")
                self._stopping.wait(fault.seconds)
            self._record(values, "end")
            self.injected.append(fault)
        except Exception as error:  # what failed to start may be up later; the run must go on
            self._record({**values, "error": f"{type(error).__name__}: {error}"[:500]}, "failed")

    def _record(self, values: dict[str, object], phase: str) -> None:
        self._system.history.record("fault", **values, phase=phase)
