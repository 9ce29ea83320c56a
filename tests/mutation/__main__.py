"""Mutates modules and says which mutants their tests do not notice; docs/testing.md tells how to read it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.workspace import CHECKED, NOTICED, ROOT, Module, Workspace
from tests.servers.rabbitmq import running_rabbitmq

HERE = Path(__file__).parent
GOAL_PERCENT = 85
SHOWN_AT_ONCE = 4


@dataclass(frozen=True)
class Equivalent:
    """A change that no test can notice, or should, with the reason."""

    file: str
    change: str
    reason: str

    def covers(self, mutant: str, difference: str) -> bool:
        """Return whether a mutant is this change; layout does not count."""
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return mutant.startswith(f"{module}.x") and _squeezed(difference) == _squeezed(self.change)


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
    def percent(self) -> float:
        """Return the share of the mutants that were noticed, equivalent ones left out."""
        return 100 * self.noticed / max(self.checked - self.equivalent, 1)

    def __str__(self) -> str:
        """Return a row of the table in docs/testing.md."""
        survived = self.checked - self.noticed - self.equivalent
        columns = (
            self.module,
            self.mutants,
            self.checked,
            self.noticed,
            survived,
            self.equivalent,
            f"{self.percent:.0f} %",
        )
        return f"| {' | '.join(map(str, columns))} |"


def main() -> int:
    """Mutate the modules that are asked for; return 1 where one misses the goal or its tests fail without a mutant."""
    parser, modules = _parser(), read_modules()
    arguments = parser.parse_args()
    if unknown := set(arguments.modules) - set(modules):
        parser.error(f"there is no module {', '.join(sorted(unknown))}; there are {', '.join(modules)}")
    wanted = _changed_since(arguments.since, modules) if arguments.since else arguments.modules or list(modules)
    deadline = time.monotonic() + 60 * arguments.minutes
    failed = False
    print("| module | mutants | checked | killed | survived | equivalent | score |\n|---|---|---|---|---|---|---|")
    for name in wanted:
        if time.monotonic() > deadline:
            print(f"The time is up before {name}.")
            break
        try:
            score = _mutate(modules[name], arguments.sample, deadline)
        except RuntimeError as error:
            sys.stderr.write(f"{name}: {error}\n")
            failed = True
            continue
        print(score, flush=True)
        failed |= score.percent < GOAL_PERCENT and not arguments.no_goal
        if arguments.survivors:
            print(*score.survivors, sep="\n\n")
    return int(failed)


def _mutate(module: Module, sample: int, deadline: float) -> Score:
    with _servers(module) as environment:
        workspace = Workspace(module, environment)
        workspace.run(sample, deadline)
    score = _score(workspace, read_equivalents())
    (workspace.folder / "survivors.txt").write_text("\n\n".join(score.survivors) + "\n")
    return score


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names in tests/mutation/modules.toml; all where none is given")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long; a later run goes on from there")
    parser.add_argument("--sample", type=int, default=60, help="mutants to check of each module, %(default)s; 0: all")
    parser.add_argument("--since", help="only the modules with a file that changed since this commit")
    parser.add_argument("--survivors", action="store_true", help="print what the survivors change")
    parser.add_argument("--no-goal", action="store_true", help=f"do not fail below {GOAL_PERCENT} percent")
    return parser


def read_modules() -> dict[str, Module]:
    """Return the modules by their names, in the order of the file."""
    tables = tomllib.loads((HERE / "modules.toml").read_text())
    return {name: Module(name, **table) for name, table in tables.items()}


def read_equivalents() -> list[Equivalent]:
    """Return the changes that do not count."""
    tables = tomllib.loads((HERE / "equivalents.toml").read_text())
    return [Equivalent(**table) for table in tables.get("equivalent", [])]


def _changed_since(commit: str, modules: Mapping[str, Module]) -> list[str]:
    """Return the names of the modules with a file that differs from a commit; where that is not there, of none."""
    command = ["git", "diff", "--name-only", commit]
    listed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        sys.stderr.write(f"There is no commit {commit} to compare with, so nothing is mutated.\n")
    changed = listed.stdout.splitlines()
    return [name for name, module in modules.items() if any(module.has(path) for path in changed)]


@contextmanager
def _servers(module: Module) -> Iterator[Mapping[str, str]]:
    """Give the addresses of servers whose start would cost more than the tests of a mutant."""
    if not module.rabbitmq:
        yield {}
        return
    folder = tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True)
    with folder, running_rabbitmq(Path(folder.name)) as node:
        yield {"TEST_RABBITMQ_URL": node.url}


def _score(workspace: Workspace, equivalents: Sequence[Equivalent]) -> Score:
    results = workspace.results()
    checked = {name: status for name, status in results.items() if status in CHECKED}
    survivors = [name for name, status in checked.items() if status not in NOTICED]
    score = Score(workspace.module.name, len(results), len(checked), len(checked) - len(survivors))
    with ThreadPoolExecutor(SHOWN_AT_ONCE) as pool:
        for name, difference in zip(survivors, pool.map(workspace.difference, survivors), strict=True):
            if _changes_case_only(difference) or any(one.covers(name, difference) for one in equivalents):
                score.equivalent += 1
            else:
                score.survivors.append(f"{name}: {checked[name]}\n{difference}")
    return score


def _changes_case_only(difference: str) -> bool:
    """Return whether a mutant only writes a text in capital letters or in small ones.

    Of each text mutmut makes another mutant, with X before and behind it. A test that should hold the text notices
    that; the other two add a question that has no answer for names of headers and encodings, and for sentences.
    """
    removed, added = (
        "".join(line[1:] for line in difference.splitlines() if line.startswith(sign)) for sign in ("-", "+")
    )
    return removed.lower() == added.lower()


def _squeezed(text: str) -> str:
    return "".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
