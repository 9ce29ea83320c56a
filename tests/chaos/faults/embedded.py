"""The faults of the embedded stack: of its three processes, of the way to its gateway, and of its disk."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.faults import events, network
from tests.chaos.faults.kinds import LONGER_THAN_A_CLAIM, SHORT, Injector
from tests.chaos.faults.machine import full_disk
from tests.chaos.schedule import Fault, Kind, Lane
from tests.chaos.system.embedded import CONNECTOR, SUPERVISOR, EmbeddedSystem
from tests.chaos.system.machine import NO_NAMESPACE, has_namespace
from tests.chaos.system.system import GATEWAY

PROCESSES = (GATEWAY, CONNECTOR, SUPERVISOR)


@contextmanager
def kill(system: EmbeddedSystem, fault: Fault) -> Iterator[None]:
    """Kill a process with SIGKILL; the run starts the supervisor again, which starts its children."""
    with _ended(system, fault, signal.SIGKILL):
        yield


@contextmanager
def terminate(system: EmbeddedSystem, fault: Fault) -> Iterator[None]:
    """Stop a process by SIGTERM."""
    with _ended(system, fault, signal.SIGTERM):
        yield


@contextmanager
def _ended(system: EmbeddedSystem, fault: Fault, number: signal.Signals) -> Iterator[None]:
    with system.lock:
        if fault.target != SUPERVISOR:
            if pid := system.pid_of(fault.target):
                system.signal_group(pid, number)
            yield
            return
        if number == signal.SIGKILL:
            system.up.kill()
        else:
            system.up.terminate()
        yield
        system.start_again()


@contextmanager
def stop(system: EmbeddedSystem, fault: Fault) -> Iterator[None]:
    """Stop a process and its children for a while with SIGSTOP, even if the supervisor is killed meanwhile."""
    stopped = system.pid_of(fault.target)
    if stopped is None:
        raise ProcessLookupError(f"The {fault.target} is not running; another fault has ended it.")
    system.signal_group(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        system.signal_group(stopped, signal.SIGCONT)


@contextmanager
def fill_disk(system: EmbeddedSystem, fault: Fault) -> Iterator[None]:
    """Fill the disk with the database, the queue, the media and the mails."""
    with full_disk(system.data / "logs"):
        yield


INJECTORS: dict[Kind, Injector] = {
    Kind("kill", Lane.PROCESSES, PROCESSES, (0.2, 2.0)): kill,
    Kind("terminate", Lane.PROCESSES, PROCESSES, (0.2, 2.0)): terminate,
    Kind("stop", Lane.LONG, (GATEWAY, CONNECTOR), LONGER_THAN_A_CLAIM): stop,
    **{Kind(name, Lane.SERVERS, (GATEWAY,), SHORT): network.disturb for name in network.TOXICS},
    Kind("cut", Lane.SERVERS, (GATEWAY,), SHORT): network.cut,
    Kind("lost answers", Lane.SERVERS, (GATEWAY,), SHORT): network.lose_answers,
    Kind("full disk", Lane.SERVERS, ("data",), SHORT): fill_disk,
    Kind("repeated deliveries", Lane.SERVERS, ("queue",), (0.1, 0.5)): events.repeat_deliveries,
}

BY_NAME = {kind.name: injector for kind, injector in INJECTORS.items()}


def possible_kinds() -> tuple[list[Kind], dict[str, str]]:
    """Return the kinds of faults that this run can inject, and those that it cannot, each with the reason."""
    skipped = {} if has_namespace() else {"full disk": NO_NAMESPACE}
    return [kind for kind in INJECTORS if kind.name not in skipped], skipped
