"""Faults of the processes: functions, the connector, and the gateway."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from devservers.server import Server
from tests.chaos.schedule import Fault
from tests.chaos.system.system import GATEWAY, System


@contextmanager
def kill(system: System, fault: Fault) -> Iterator[None]:
    """Kill a process and its children with SIGKILL, and start it again."""
    with _owned(system, fault) as server:
        server.kill()
        yield
        server.start()


@contextmanager
def terminate(system: System, fault: Fault) -> Iterator[None]:
    """Stop a process by SIGTERM, as a platform does, and start it again."""
    with _owned(system, fault) as server:
        server.terminate()
        yield
        server.start()


@contextmanager
def stop(system: System, fault: Fault) -> Iterator[None]:
    """Stop a process and its children for a while with SIGSTOP."""
    with _owned(system, fault) as server:
        _signal(server, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(server, signal.SIGCONT)


@contextmanager
def _owned(system: System, fault: Fault) -> Iterator[Server]:
    """Yield the server of a fault's target, which no other fault starts or stops in the meantime."""
    if fault.target == GATEWAY:
        yield system.stack.gateway
        return
    process = system.process(fault.target, fault.choice)
    with system.lock(process):
        yield process.server


def _signal(server: Server, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, number)
