"""All kinds of faults: what injects each, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from devservers.process_stack import PARTS
from tests.chaos.faults import events, machine, network, processes, servers
from tests.chaos.schedule import Fault, Kind, Lane
from tests.chaos.system.machine import NO_LIBRARY, NO_NAMESPACE, has_namespace
from tests.chaos.system.servers import BROKER, DATABASE, MAIL, STORE
from tests.chaos.system.system import FUNCTIONS, GATEWAY, System

Injector = Callable[[Any, Fault], AbstractContextManager[None]]  # of the system that the kind is for

ALL_PROXIES = (DATABASE, BROKER, STORE, MAIL, GATEWAY, FUNCTIONS)
SHORT, LONG, LONGER_THAN_A_CLAIM = (2.0, 5.0), (15.0, 60.0), (32.0, 40.0)
STOPPED = ("convert", "connector", "upload", "notify", "fetch", "webhook")
INJECTORS: dict[Kind, Injector] = {
    Kind("kill", Lane.PROCESSES, (*PARTS, GATEWAY), (0.2, 2.0)): processes.kill,
    Kind("terminate", Lane.PROCESSES, (*PARTS, GATEWAY), (0.2, 2.0)): processes.terminate,
    Kind("stop", Lane.LONG, STOPPED, LONGER_THAN_A_CLAIM): processes.stop,
    **{Kind(name, Lane.SERVERS, ALL_PROXIES, SHORT): network.disturb for name in network.TOXICS},
    Kind("cut", Lane.SERVERS, (DATABASE, BROKER, STORE, GATEWAY, FUNCTIONS), SHORT): network.cut,
    Kind("lost answers", Lane.SERVERS, (DATABASE, STORE, GATEWAY, FUNCTIONS), SHORT): network.lose_answers,
    Kind("503", Lane.SERVERS, (STORE, FUNCTIONS), SHORT): network.refuse_with_503,
    Kind("DNS gone", Lane.SERVERS, ("names",), SHORT): network.remove_names,
    Kind("restart", Lane.SERVERS, (DATABASE, BROKER, STORE), (0.5, 4.0)): servers.restart,
    Kind("memory alarm", Lane.SERVERS, (BROKER,), (3.0, 8.0)): servers.memory_alarm,
    Kind("disk alarm", Lane.SERVERS, (BROKER,), (3.0, 8.0)): servers.disk_alarm,
    Kind("read only", Lane.SERVERS, (DATABASE,), SHORT): servers.read_only,
    Kind("deadlock", Lane.SERVERS, (DATABASE,), (4.0, 8.0)): servers.deadlock,
    Kind("mail away", Lane.LONG, (MAIL,), LONG): network.cut,
    Kind("mail refused", Lane.LONG, (MAIL,), LONG): servers.refuse_mail,
    Kind("mail stalled", Lane.LONG, (MAIL,), LONG): servers.stall_mail,
    Kind("full disk", Lane.SERVERS, ("convert",), SHORT): machine.fill_disk,
    Kind("clock step", Lane.SERVERS, (DATABASE,), (3.0, 10.0)): machine.step_clock,
    Kind("repeated deliveries", Lane.SERVERS, (BROKER,), (0.1, 0.5)): events.repeat_deliveries,
}
KINDS = tuple(INJECTORS)
BY_NAME = {kind.name: injector for kind, injector in INJECTORS.items()}


def possible_kinds(system: System, store: str) -> tuple[list[Kind], dict[str, str]]:
    """Return the kinds of faults that this run can inject, and those that it cannot, each with the reason."""
    skipped = dict(_impossible(system, store))
    kinds = []
    for kind in KINDS:
        targets = tuple(target for target in kind.targets if f"{kind.name} of {target}" not in skipped)
        if targets and kind.name not in skipped:
            kinds.append(Kind(kind.name, kind.lane, targets, kind.seconds))
    return kinds, skipped


def _impossible(system: System, store: str) -> Iterator[tuple[str, str]]:
    if not has_namespace():
        yield "DNS gone", NO_NAMESPACE
        yield "full disk", NO_NAMESPACE
    if system.servers.clock.library is None:
        yield "clock step", NO_LIBRARY
    if store != "gridfs":
        yield f"restart of {STORE}", "the S3 server keeps everything in memory, and a folder has no server"
    if store == "gridfs":
        for name in ("lost answers", "503"):
            yield f"{name} of {STORE}", "GridFS speaks no HTTP"
    if store == "folder":
        for kind in KINDS:
            if STORE in kind.targets:
                yield f"{kind.name} of {STORE}", "a folder has no server"
