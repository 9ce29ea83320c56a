"""Fuzzes the HTTP API of a running `soundlift up`, and reports what deviates from its description (docs/testing.md)."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from devservers.local_stack import Stack
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.fuzz.files import make_files, upload_real_files
from tests.fuzz.provider import running_provider
from tests.fuzz.run import UNLIMITED, Report, fuzz
from tests.fuzz.users import add_examples, write_users

CASES = 10_000
EXAMPLES = 200  # of each operation in a round


def main() -> None:
    """Run rounds with different seeds until there were enough cases, or one has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help=f"minimum number of cases; default: {CASES}")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="seed of the first round")
    options = parser.parse_args()
    began = time.monotonic()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="soundlift-fuzz-") as folder:
        upload_real_files(make_files(Path(folder)))
        with running_provider() as provider, running_stack(Path(folder), UNLIMITED | provider) as stack:
            users = Path(folder) / "users.json"
            prepare(stack, users)
            for seed in count(options.seed):
                report.merge(fuzz(stack.url, users, examples=EXAMPLES, seed=seed))
                print(f"seed {seed}: {report.cases.total()} cases, {len(report.failures)} failures", flush=True)
                if report.failures or report.cases.total() >= options.cases:
                    break
    print_counts(report, seconds=time.monotonic() - began)
    if report.failures or report.never_accepted():
        sys.exit(f"{report}\nOperations that were never accepted: {', '.join(report.never_accepted()) or 'none'}.")


@contextmanager
def running_stack(folder: Path, settings: Mapping[str, object]) -> Iterator[Stack]:
    """Yield a `soundlift up` with its data in a folder."""
    port, terminal = free_port(), folder / "terminal"
    environment = {**os.environ, **{name.upper(): str(value).lower() for name, value in settings.items()}}
    command = [sys.executable, "-m", "soundlift.cli", "up", "--port", str(port), "--data", str(folder / "data")]
    with terminal.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    stack = Stack(process, f"http://127.0.0.1:{port}", folder / "data", terminal)
    try:
        wait_for(lambda: stack.answers() or process.poll() is not None, "the stack is ready")
        if process.poll() is not None:
            sys.exit(f"`soundlift up` has ended:\n{stack.output}")
        yield stack
    finally:
        process.terminate()
        process.wait()


def prepare(stack: Stack, users: Path) -> None:
    """Add the accounts and jobs of the examples, and write the file that lists the users."""
    environment = {"SOUNDLIFT_DATA": str(stack.data), "SECRETS_FOLDER": str(stack.data / "secrets")}
    services = Services(Settings.from_environment(environment))
    add_examples(services)
    write_users(services, users, gateway_login=stack.login)
    services.database.engine.dispose()


def print_counts(report: Report, *, seconds: float) -> None:
    """Print how many cases there were of each operation and status, and how often each check has passed."""
    for title, counter in (("operation", report.cases), ("status", report.statuses), ("check", report.checks)):
        print(f"\n{title}")
        for name, number in sorted(counter.items(), key=lambda item: str(item[0])):
            print(f"{number:8}  {name}")
    print(f"\n{report.cases.total()} cases in {seconds:.0f} s, {len(report.failures)} failures")


if __name__ == "__main__":
    main()
