"""A run: users upload while faults happen; then everything must come to rest, and the accounts must be right."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devservers.waiting import wait_for
from soundlift.cli.history_text import history_lines
from tests.chaos.accounts.accountant import account
from tests.chaos.accounts.emptying import empty
from tests.chaos.accounts.report import describe
from tests.chaos.clips.clips import Clip, make_clips
from tests.chaos.deployments import Faults, running
from tests.chaos.history import Fact, History, read_history
from tests.chaos.injection import Injection
from tests.chaos.outside.deployment import Deployment, look
from tests.chaos.outside.mailboxes import mails_of_history
from tests.chaos.outside.rest import come_to_rest
from tests.chaos.outside.view import Outside
from tests.chaos.schedule import Fault, make_schedule
from tests.chaos.system.running import RunningSystem
from tests.chaos.system.upkeep import Upkeep
from tests.chaos.users.receiver import WebhookEndpoint
from tests.chaos.users.source import ClipSource
from tests.chaos.users.user import User

MAX_CLIPS = 200
FINISH_SECONDS = 90.0  # for the requests that users have begun
UP_SECONDS = 120.0
EMPTY_SECONDS = 600.0


@dataclass(frozen=True)
class Plan:
    """What a run does: it ends after `uploads`, or after `seconds` if that is sooner.

    It must come to rest within `rest_seconds`. `extra` is added to the environment of the processes. `without` names
    kinds of faults.
    """

    seed: int
    seconds: float = 120.0
    uploads: int = 100
    store: str = "s3"
    users: int = 4
    rest_seconds: float = 600.0
    without: frozenset[str] = frozenset()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """What happened in a run, and a text about each violation."""

    seconds: float
    kinds: Counter[str]
    failed_faults: int
    responses: Counter[str]
    states: Counter[str]
    mails: int
    skipped: Mapping[str, str]
    violations: int
    report: str


def run(plan: Plan, folder: Path, history_file: Path, say: Callable[[str], None]) -> Result:
    """Run everything in a new folder, and write the history to a new file."""
    began = time.monotonic()
    history = History(history_file)
    emails = [f"user{number}@example.org" for number in range(plan.users)]
    clips = make_clips(folder / "clips", seed=plan.seed, count=min(plan.uploads, MAX_CLIPS))
    with (
        ClipSource(folder / "clips") as source,
        WebhookEndpoint(history) as webhooks,
        running(folder / "system", plan.store, history, emails, plan.extra) as (system, possible),
    ):
        faults = possible.without(plan.without)
        about = {"seed": plan.seed, "seconds": plan.seconds, "uploads": plan.uploads, "store": plan.store}
        history.record("run", **about, users=plan.users, skipped=faults.skipped)
        say(f"{plan.users} users, {len(faults.kinds)} kinds of faults; {len(faults.skipped)} cannot be injected here.")
        users = [
            User(system.url, source.url, webhooks, email, plan.seed, clips, range(index, plan.uploads, plan.users),
                 history, system.stopping, has_key=index % 2 == 1)
            for index, email in enumerate(emails)
        ]  # fmt: skip
        deployment = _deployment(system, history_file)
        with Upkeep(system) as upkeep:
            injected = _disturb(plan, faults, system, users, say)
            say("The faults are over; waiting until everything has come to rest.")
            wait_for(system.is_up, "every process is ready", seconds=UP_SECONDS)
            upkeep.stop_cleanup()
            rested = come_to_rest(deployment, system.services.database, _settling(system), seconds=plan.rest_seconds)
        webhooks.stop()
        history.record("run", ended=True)
        history.close()
        facts = list(read_history(history_file))
        outside = look(deployment)
        texts = list(_violations(system, facts, clips, outside, deployment))
    if not rested:
        texts.insert(0, f"VIOLATED: the deployment did not come to rest within {plan.rest_seconds:g} s")
    return Result(
        seconds=time.monotonic() - began,
        kinds=Counter(fault.name for fault in injected),
        failed_faults=sum(fact.get("phase") == "failed" for fact in facts),
        responses=_responses(facts),
        states=Counter(str(seen.job.state) for seen in outside.jobs.values()),
        mails=sum(fact["kind"] == "mail" for fact in facts),
        skipped=faults.skipped,
        violations=sum(text.count("VIOLATED: ") for text in texts),
        report="\n\n".join(texts),
    )


def _violations(
    system: RunningSystem, facts: Sequence[Fact], clips: Sequence[Clip], outside: Outside, deployment: Deployment
) -> Iterator[str]:
    """Check the accounts, then delete everything and check that nothing is left; yield a text about what is wrong."""
    if found := account(facts, clips, outside):
        yield describe(found, facts, lambda job: _job_history(system, job))
    if left := empty(deployment, system.services.database, _settling(system), seconds=EMPTY_SECONDS):
        yield describe(left, [], str)


def _disturb(
    plan: Plan, faults: Faults, system: RunningSystem, users: Sequence[User], say: Callable[[str], None]
) -> list[Fault]:
    """Let users upload while faults happen, until they have finished or the time is over; return the faults."""
    for user in users:
        user.thread.start()
    lanes = [
        Injection(system, own, faults.injectors)
        for own in make_schedule(plan.seed, plan.seconds, faults.kinds).values()
    ]
    deadline = time.monotonic() + plan.seconds
    try:
        while any(user.thread.is_alive() for user in users) and (left := deadline - time.monotonic()) > 0:
            say(f"{left:5.0f} s left, {sum(len(lane.injected) for lane in lanes)} faults")
            _join(users, min(30.0, left))
    finally:
        system.stopping.set()
        stops = [threading.Thread(target=lane.stop) for lane in lanes]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
    _join(users, FINISH_SECONDS)
    return [fault for lane in lanes for fault in lane.injected]


def _join(users: Sequence[User], seconds: float) -> None:
    until = time.monotonic() + seconds
    for user in users:
        user.thread.join(max(0.0, until - time.monotonic()))


def _settling(system: RunningSystem) -> Callable[[], dict[str, int]]:
    def settle() -> dict[str, int]:
        return {**system.cleanup(), "delayed": system.end_delays()}

    return settle


def _deployment(system: RunningSystem, history_file: Path) -> Deployment:
    return Deployment(
        admin=system.admin(),
        media_url=system.media_url,
        waiting=system.waiting,
        mails=lambda: mails_of_history(read_history(history_file)),
        temporary=system.temporary,
    )


def _job_history(system: RunningSystem, job: str) -> str:
    """Return what `soundlift job history` shows an operator."""
    return "\n".join(history_lines(system.services.jobs.history(job))) or "The job has no history; it was deleted."


def _responses(facts: Sequence[Fact]) -> Counter[str]:
    statuses = [fact["status"] for fact in facts if fact["kind"] == "response"]
    return Counter(str(status) if status else "no answer" for status in statuses)
