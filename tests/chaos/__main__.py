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
from collections.abc import Callable
from pathlib import Path

import structlog

from devservers.server import NotInstalled
from tests.chaos.deployments import STORES
from tests.chaos.faults import embedded, kinds
from tests.chaos.run import Plan, Result, run
from tests.chaos.system.machine import enter_namespace

RESULTS = Path(__file__).parents[2] / "build" / "chaos"
MAX_SEED = 1_000_000
MAX_SECONDS = 7 * 24 * 3600
MAX_UPLOADS = 1_000_000
MAX_USERS = 100


def main() -> None:
    """Run, print what happened, and exit with code 1 if a promise was not kept."""
    given = _parse_arguments()
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


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    number = _bounded(int, 0, MAX_SEED)
    parser.add_argument(
        "--seed", type=number, default=random.randrange(MAX_SEED), help="repeats a run; default: random"
    )
    seconds = _bounded(float, 1, MAX_SECONDS)
    parser.add_argument(
        "--seconds", type=seconds, default=Plan.seconds, help="end of the uploads; default: %(default)s"
    )
    number = _bounded(int, 1, MAX_UPLOADS)
    parser.add_argument("--uploads", type=number, default=Plan.uploads, help="videos at most; default: %(default)s")
    parser.add_argument("--store", choices=STORES, default=Plan.store, help="media store; default: %(default)s")
    number = _bounded(int, 1, MAX_USERS)
    parser.add_argument("--users", type=number, default=Plan.users, help="users at the same time; default: %(default)s")
    names = sorted(kinds.BY_NAME.keys() | embedded.BY_NAME.keys())
    parser.add_argument(
        "--without", action="append", default=[], choices=names, metavar="FAULT", help="omit a kind of fault"
    )
    return parser.parse_args()


def _bounded(kind: type[int] | type[float], least: int, most: int) -> Callable[[str], float]:
    """Return the reader of an argument that is a number between two others."""

    def read(text: str) -> float:
        number = kind(text)
        if not least <= number <= most:  # nor is NaN
            raise argparse.ArgumentTypeError(f"must be between {least} and {most}")
        return number

    read.__name__ = "whole number" if kind is int else "number"
    return read


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
