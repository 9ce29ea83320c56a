"""Mutates modules and reports the mutants that their tests do not detect; see docs/testing.md."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devservers.rabbitmq import running_rabbitmq
from devservers.server import NotInstalled
from tests.mutation.module import Module, changes_only_wording, read_equivalents, read_modules
from tests.mutation.run import Run
from tests.mutation.workspace import CHECKED, KILLED, ROOT, Workspace

GOAL_PERCENT = 85


@dataclass
class Score:
    """The results of a module's mutants."""

    module: str
    mutants: int = 0
    checked: int = 0
    killed: int = 0
    equivalent: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float | None:
        """Return the percentage of the non-equivalent mutants that were killed."""
        counted = self.checked - self.equivalent
        return 100 * self.killed / counted if counted else None

    def __str__(self) -> str:
        """Return a row for the table in docs/testing.md."""
        counts = (self.mutants, self.checked, self.killed, len(self.survivors), self.equivalent)
        percent = "–" if self.percent is None else f"{self.percent:.0f} %"
        return f"| {self.module} | {' | '.join(map(str, counts))} | {percent} |"


def main() -> int:
    """Mutate the requested modules; return 1 if one misses the goal or its tests fail without a mutant."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parser, modules = _parser(), read_modules()
    arguments = parser.parse_args()
    if unknown := set(arguments.modules) - set(modules):
        parser.error(f"unknown module: {', '.join(sorted(unknown))}; choose from {', '.join(modules)}")
    wanted = _changed_since(arguments.since, modules) if arguments.since else arguments.modules or list(modules)
    deadline = time.monotonic() + 60 * arguments.minutes
    failed = False
    print("| module | mutants | checked | killed | survived | equivalent | score |\n|---|---|---|---|---|---|---|")
    for name in wanted:
        try:
            score = _mutate(modules[name], arguments.sample, deadline)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            failed = True
            continue
        print(score, flush=True)
        failed |= score.percent is not None and score.percent < GOAL_PERCENT and not arguments.no_goal
        if arguments.survivors:
            print(*score.survivors, sep="\n\n")
        if time.monotonic() > deadline:
            print(f"Stopped at {name} when the time was up; the next run continues from there.")
            break
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names in tests/mutation/modules.toml; default: all")
    parser.add_argument(
        "--minutes", type=float, default=600, help="stop after this time; a later run continues from there"
    )
    parser.add_argument(
        "--sample", type=int, default=60, help="mutants to check in each module; default: %(default)s, 0: all"
    )
    parser.add_argument("--since", help="mutate only modules with a file that changed since this commit")
    parser.add_argument("--survivors", action="store_true", help="print the changes of surviving mutants")
    parser.add_argument("--no-goal", action="store_true", help=f"do not fail below {GOAL_PERCENT} percent")
    return parser


def _changed_since(commit: str, modules: Mapping[str, Module]) -> list[str]:
    """Return the modules with a file that differs from a commit; none if there is no such commit."""
    command = ["git", "diff", "--name-only", commit]
    listed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        sys.stderr.write(f"There is no commit {commit} to compare with; nothing is mutated.\n")
    changed = listed.stdout.splitlines()
    return [name for name, module in modules.items() if any(module.has(path) for path in changed)]


def _mutate(module: Module, sample: int, deadline: float) -> Score:
    workspace = Workspace(module)
    with _servers(module) as environment:
        Run(workspace, environment, deadline).check(sample)
    score = _score(workspace)
    (workspace.folder / "survivors.txt").write_text("\n\n".join(score.survivors) + "\n")
    return score


@contextmanager
def _servers(module: Module) -> Iterator[Mapping[str, str]]:
    """Yield the addresses of servers that are too slow to start for every mutant."""
    if not module.rabbitmq:
        yield {}
        return
    folder = tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True)
    with folder, ExitStack() as stack:
        try:
            node = stack.enter_context(running_rabbitmq(Path(folder.name)))
        except (NotInstalled, TimeoutError, AssertionError) as error:
            raise RuntimeError(str(error)) from error
        yield {"TEST_RABBITMQ_URL": node.url}


def _score(workspace: Workspace) -> Score:
    equivalents = read_equivalents()
    results = {
        name: status
        for name, status in workspace.results().items()
        if not changes_only_wording(workspace.difference(name))
    }
    score = Score(workspace.module.name, mutants=len(results))
    for name, status in results.items():
        difference = workspace.difference(name)
        score.checked += status in CHECKED
        if status in KILLED:
            score.killed += 1
        elif status in CHECKED and any(one.covers(name, difference) for one in equivalents):
            score.equivalent += 1
        elif status in CHECKED:
            score.survivors.append(f"{name}: {status}\n{difference}")
    return score


if __name__ == "__main__":
    sys.exit(main())
