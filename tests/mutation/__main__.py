"""Mutates modules and says which mutants their tests do not notice; docs/testing.md tells how to read it."""

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
from tests.mutation.module import Module, changes_words_only, read_equivalents, read_modules
from tests.mutation.run import Run
from tests.mutation.workspace import CHECKED, NOTICED, ROOT, Workspace

GOAL_PERCENT = 85


@dataclass
class Score:
    """What became of the mutants of a module."""

    module: str
    mutants: int = 0
    checked: int = 0
    noticed: int = 0
    equivalent: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float | None:
        """Return the share of the mutants that were noticed, equivalent ones left out."""
        counted = self.checked - self.equivalent
        return 100 * self.noticed / counted if counted else None

    def __str__(self) -> str:
        """Return a row of the table in docs/testing.md."""
        counts = (self.mutants, self.checked, self.noticed, len(self.survivors), self.equivalent)
        percent = "–" if self.percent is None else f"{self.percent:.0f} %"
        return f"| {self.module} | {' | '.join(map(str, counts))} | {percent} |"


def main() -> int:
    """Mutate the modules that are asked for; return 1 where one misses the goal or its tests fail without a mutant."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parser, modules = _parser(), read_modules()
    arguments = parser.parse_args()
    if unknown := set(arguments.modules) - set(modules):
        parser.error(f"there is no module {', '.join(sorted(unknown))}; there are {', '.join(modules)}")
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
            print(f"The time was up at {name}; the next run goes on from there.")
            break
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names in tests/mutation/modules.toml; all where none is given")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long; a later run goes on from there")
    parser.add_argument("--sample", type=int, default=60, help="mutants to check of each module, %(default)s; 0: all")
    parser.add_argument("--since", help="only the modules with a file that changed since this commit")
    parser.add_argument("--survivors", action="store_true", help="print what the survivors change")
    parser.add_argument("--no-goal", action="store_true", help=f"do not fail below {GOAL_PERCENT} percent")
    return parser


def _changed_since(commit: str, modules: Mapping[str, Module]) -> list[str]:
    """Return the names of the modules with a file that differs from a commit; where that is not there, of none."""
    command = ["git", "diff", "--name-only", commit]
    listed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        sys.stderr.write(f"There is no commit {commit} to compare with, so nothing is mutated.\n")
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
    """Give the addresses of servers whose start would cost more than the tests of a mutant."""
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
        if not changes_words_only(workspace.difference(name))
    }
    score = Score(workspace.module.name, mutants=len(results))
    for name, status in results.items():
        difference = workspace.difference(name)
        score.checked += status in CHECKED
        if status in NOTICED:
            score.noticed += 1
        elif status in CHECKED and any(one.covers(name, difference) for one in equivalents):
            score.equivalent += 1
        elif status in CHECKED:
            score.survivors.append(f"{name}: {status}\n{difference}")
    return score


if __name__ == "__main__":
    sys.exit(main())
