"""A copy of the project for each module, in which mutmut creates mutants and records results."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from tests.mutation.module import Module, changes_only_wording

ROOT = Path(__file__).parents[2]
WORKSPACES = ROOT / "build" / "mutation"
MUTMUT = Path(sys.executable).with_name("mutmut")
CHECKED = {"killed", "timeout", "survived", "no tests"}
KILLED = {"killed", "timeout"}
UNCHECKED_IN_PROCESSES = "untried"  # by the tests that start processes
LOG_LINES = r"\blog\.(debug|info|warning|error|exception)\("
SHOW_MUTANTS = """\
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
json.dump({name: get_diff_for_mutant(name) for name in json.load(sys.stdin)}, sys.stdout)
"""
CONFIGURATION = """\
[mutmut]
source_paths =
  soundlift
  functions
only_mutate =
  {files}
also_copy =
  {copied}
do_not_mutate_patterns =
  {patterns}
pytest_add_cli_args_test_selection =
  {tests}
pytest_add_cli_args =
  {options}
process_isolation = forkserver
use_git_change_detection = false
timeout_multiplier = 4
timeout_constant = 10
"""


class Workspace:
    """The copy of the project in which a module is mutated, and the results of its mutants."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.folder = WORKSPACES / module.name
        self.tree = self.folder / "tree"
        self.mutants = self.tree / "mutants"
        self.log = self.folder / "log"
        self._recheck = self.folder / "recheck"
        self._settings = self.folder / "settings"
        self._processes = self.folder / "processes"
        self._differences: dict[str, str] = {}

    def update(self) -> None:
        """Copy the current project, and discard outdated results.

        If the module's entry changed, all results are outdated. Otherwise those of the tests in processes are, and the
        record of which test calls which function. Survivors are marked for a recheck; killed mutants stay killed.
        """
        settings = f"{self.module!r}\n{LOG_LINES}\n{version('mutmut')}\n"
        if not self._settings.exists() or self._settings.read_text() != settings:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.tree.mkdir(parents=True)
            self._settings.write_text(settings)
        changed = self._copy_all()
        (self.tree / "setup.cfg").write_text(self._configuration())
        if any(path.startswith(("soundlift/", "functions/", "devservers/", "tests/")) for path in changed):
            survivors = [name for name, status in self.results().items() if status in {"survived", "no tests"}]
            self._recheck.write_text("\n".join({*survivors, *self.to_recheck()}))
            (self.mutants / "mutmut-stats.json").unlink(missing_ok=True)
            shutil.rmtree(self._processes, ignore_errors=True)

    def to_recheck(self) -> list[str]:
        """Return the names of the survivors that are still to be rechecked."""
        return self._recheck.read_text().split() if self._recheck.exists() else []

    def note_rechecked(self) -> None:
        """Record that all survivors were rechecked."""
        self._recheck.unlink(missing_ok=True)

    def unchecked(self, sample: int) -> list[str]:
        """Return the names of the mutants in a sample that are still to be checked; a sample of 0 means all.

        Mutants are sampled by the hash of their names, so adding mutants does not reorder the others.
        """
        results = self.results()
        names = sorted(results, key=lambda name: hashlib.sha256(name.encode()).digest())
        counted = [name for name in names if not changes_only_wording(self.difference(name))]
        again = {name for name in self.to_recheck() if name in results}
        return [name for name in counted[: sample or None] if results[name] not in CHECKED or name in again]

    def results(self) -> dict[str, str]:
        """Return the status of each mutant by name, in mutmut's terms."""
        if not self.mutants.exists():
            return {}
        command = [str(MUTMUT), "results", "--all", "true"]
        listed = subprocess.run(command, cwd=self.tree, check=True, capture_output=True, text=True).stdout
        found = dict(line.strip().rsplit(": ", 1) for line in listed.splitlines() if ": " in line)
        return {name: self._in_processes(name) if status == "no tests" else status for name, status in found.items()}

    def note_in_processes(self, mutant: str, status: str) -> None:
        """Record the result of the tests in processes for a mutant."""
        self._processes.mkdir(exist_ok=True)
        (self._processes / mutant).write_text(status)

    def difference(self, mutant: str) -> str:
        """Return a mutant's change as the lines of a diff that begin with - or +."""
        if mutant not in self._differences:
            command = [sys.executable, "-P", "-c", SHOW_MUTANTS]
            names = json.dumps(list(self.results()))
            shown = subprocess.run(command, cwd=self.tree, input=names, check=True, capture_output=True, text=True)
            self._differences = {name: _changed_lines(text) for name, text in json.loads(shown.stdout).items()}
        return self._differences[mutant]

    def _in_processes(self, mutant: str) -> str:
        with suppress(FileNotFoundError):
            return (self._processes / mutant).read_text()
        return UNCHECKED_IN_PROCESSES if self.module.processes else "no tests"

    def _copy_all(self) -> list[str]:
        """Update the copy from the project and return the changed paths."""
        tracked = [path for path in _tracked() if not path.startswith("tests/mutation/")]
        changed = [path for path in tracked if _copy(ROOT / path, self.tree / path)]
        existing = (file.relative_to(self.tree) for file in self.tree.rglob("*") if file.is_file())
        deleted = {str(path) for path in existing if path.parts[0] != "mutants"} - {*tracked, "setup.cfg"}
        for path in deleted:
            (self.tree / path).unlink()
            (self.mutants / path).unlink(missing_ok=True)
        for path in changed:
            if not path.endswith(".py"):  # mutmut copies these files only once
                (self.mutants / path).unlink(missing_ok=True)
        (self.mutants / "build").mkdir(parents=True, exist_ok=True)
        ferretdb = ROOT / "build" / "ferretdb"
        if ferretdb.exists() and not (self.mutants / "build" / "ferretdb").exists():
            (self.mutants / "build" / "ferretdb").symlink_to(ferretdb)
        return [*changed, *deleted]

    def _configuration(self) -> str:
        copied = [path.name for path in self.tree.iterdir() if path.name not in {"soundlift", "functions", "mutants"}]
        parts: dict[str, Sequence[str]] = {"files": self.module.files, "copied": copied, "patterns": [LOG_LINES]}
        parts |= {"tests": self.module.tests, "options": self.module.options}
        return CONFIGURATION.format(**{name: "\n  ".join(part) for name, part in parts.items()})


def _tracked() -> list[str]:
    """Return the paths of all files in the project, including uncommitted ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for path in listed if path and (ROOT / path).is_file()]


def _copy(source: Path, target: Path) -> bool:
    """Copy a file if its content differs, with a new modification time, by which mutmut detects changes."""
    content = source.read_bytes()
    if target.exists() and target.read_bytes() == content:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(source.stat().st_mode)
    return True


def _changed_lines(difference: str) -> str:
    lines = difference.splitlines()
    return "\n".join(line for line in lines if line[:1] in "-+" and line[:3] not in {"---", "+++"})
