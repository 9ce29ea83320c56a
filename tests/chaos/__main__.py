"""A chaos run: `python -m tests.chaos --seed 1 --seconds 120 --uploads 100 --store gridfs`."""

from __future__ import annotations

import argparse
import random
import shlex
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import structlog

from devservers.server import NotInstalled
from tests.chaos.deployments import STORES
from tests.chaos.run import Plan, Result, run
from tests.chaos.system.machine import enter_namespace

RESULTS = Path(__file__).parents[2] / "build" / "chaos"
MAX_SEED = 1_000_000


def main() -> None:
    """Run, print what happened, and exit with code 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(MAX_SEED))
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    parser.add_argument("--uploads", type=int, default=Plan.uploads)
    parser.add_argument("--store", choices=STORES, default=Plan.store)
    parser.add_argument("--users", type=int, default=Plan.users)
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="omit a kind of fault")
    given = parser.parse_args()
    enter_namespace([*sys.argv[1:], "--seed", str(given.seed)])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops everything that was started, as Ctrl-C does
    structlog.configure(processors=[_drop])
    plan = Plan(given.seed, given.seconds, given.uploads, given.store, given.users, without=frozenset(given.without))
    command = _command(plan)
    print(f"To repeat this run: {command}", flush=True)
    try:
        result = _run(plan)
    except NotInstalled as missing:
        sys.exit(str(missing))
    _print(result)
    if result.violations:
        print(f"{result.violations} violations. To repeat: {command}")
        sys.exit(1)
    print("No violation.")


def _command(plan: Plan) -> str:
    """Return the command that repeats a run; make knows no rare arguments."""
    if plan.users == Plan.users and not plan.without:
        return f"make chaos SEED={plan.seed} SECONDS={plan.seconds:g} UPLOADS={plan.uploads} STORE={plan.store}"
    given = {"seed": plan.seed, "seconds": f"{plan.seconds:g}", "uploads": plan.uploads, "store": plan.store}
    pairs = [*given.items(), ("users", plan.users), *(("without", name) for name in sorted(plan.without))]
    return shlex.join([".venv/bin/python", "-m", "tests.chaos", *(f"--{name}={value}" for name, value in pairs)])


def _run(plan: Plan) -> Result:
    """Run in a temporary folder; keep the logs of the processes if a promise was not kept."""
    kept = RESULTS / str(plan.seed)
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        keep = True
        try:
            result = run(plan, Path(folder), kept / "history.jsonl", lambda text: print(f"  {text}", flush=True))
            keep = bool(result.violations)
        finally:
            for log in [*Path(folder).glob("system/*.log"), *Path(folder).glob("system/*/*/*.log")] if keep else []:
                shutil.copy(log, kept / f"{log.parent.name}-{log.name}")
    print(f"  The history is in {kept.relative_to(Path.cwd()) if kept.is_relative_to(Path.cwd()) else kept}.")
    return result


def _print(result: Result) -> None:
    print(f"{result.seconds:.0f} s")
    _print_counts(f"{sum(result.kinds.values())} faults", result.kinds)
    _print_counts(f"{sum(result.responses.values())} requests to upload", result.responses)
    _print_counts(f"{sum(result.states.values())} jobs", result.states)
    print(f"{result.mails} mails")
    if result.failed_faults:
        print(f"{result.failed_faults} faults could not be injected or undone in time; the history says why.")
    for name, reason in result.skipped.items():
        print(f"skipped: {name}: {reason}")
    if result.report:
        print(f"\n{result.report}\n")


def _print_counts(title: str, counts: Counter[str]) -> None:
    print(f"{title}: {', '.join(f'{count} {name}' for name, count in counts.most_common())}")


def _drop(logger: object, method: str, event: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
