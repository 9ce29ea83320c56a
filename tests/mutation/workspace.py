"""Runs mutmut over one module, in a copy of the sources that stays from one run to the next."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKSPACES = ROOT / "build" / "mutation"
MUTMUT = Path(sys.executable).with_name("mutmut")
# mutmut limits the processor time of a mutant's tests. A hard limit is also the highest for all that a test starts:
# where root may not raise it, no FFmpeg would start, and every mutant would count as killed.
RUN_MUTMUT = """\
import resource, sys
from mutmut.__main__ import cli
set_limit = resource.setrlimit
def set_soft_limit(kind, limits):
    set_limit(kind, (limits[0], resource.getrlimit(kind)[1]) if kind == resource.RLIMIT_CPU else limits)
resource.setrlimit = set_soft_limit
sys.exit(cli())
"""
MARK = "SOUNDLIFT_MUTATION"  # in the environment of all that a run starts
SECONDS_TO_STOP = 60.0
SECONDS_FOR_ONE = 300.0  # for a mutant whose tests run in processes of their own
CHECKED = {"killed", "timeout", "survived", "no tests", "suspicious", "segfault"}
NOTICED = {"killed", "timeout", "suspicious", "segfault"}
# What a log line or an error's sentence says is for people, and no test should hold its words or letters.
FOR_PEOPLE = (r"\blog\.(debug|info|warning|error|exception)\(", r'[a-z][.:] ?"[,)]?')
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


@dataclass(frozen=True)
class Module:
    """Some files that are mutated together, and the tests that must notice."""

    name: str
    files: Sequence[str]
    tests: Sequence[str]
    deselect: Sequence[str] = ()
    processes: Sequence[str] = ()
    rabbitmq: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def options(self) -> Sequence[str]:
        """Return what pytest is told besides the tests."""
        words = " and ".join(f"not {word}" for word in self.deselect)
        return ["-p", "no:cacheprovider", *(["-k", words] if words else [])]

    def has(self, path: str) -> bool:
        """Return whether a path is one of its files."""
        return any(fnmatch(path, pattern) for pattern in self.files)


class Workspace:
    """The copy of the sources in which a module is mutated."""

    def __init__(self, module: Module, environment: Mapping[str, str]) -> None:
        self.module = module
        self.folder = WORKSPACES / module.name
        self._environment = {**os.environ, **environment, MARK: str(self.folder)}
        self._mutants = self.folder / "mutants"

    def run(self, sample: int, deadline: float) -> None:
        """Check mutants until so many are checked, and survivors again where tests changed since; stop in time.

        Which mutants are checked is left to chance, but is the same in each run; a sample of 0 means all of them.
        `deadline` is a time of the monotonic clock. Raises RuntimeError where the tests fail without a mutant.
        """
        again = self._update()
        with self._temporary_folder():
            self._make_mutants(deadline)
            if names := again + self._unchecked(sample):
                self._mutmut(names, deadline)
            self._run_processes(deadline)

    def results(self) -> dict[str, str]:
        """Return the status of each mutant by its name, as mutmut words it."""
        if not self._mutants.exists():
            return {}
        lines = self._read("results", "--all", "true").splitlines()
        found = dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)
        return {name: self._process_result(name) or status for name, status in found.items()}

    def difference(self, mutant: str) -> str:
        """Return what a mutant changes, as the lines of a diff that begin with - or +."""
        lines = self._read("show", mutant).splitlines()
        return "\n".join(line for line in lines if line[:1] in "-+" and line[:3] not in {"---", "+++"})

    def _update(self) -> list[str]:
        """Copy what changed, and return the survivors that changed tests may notice."""
        self.folder.mkdir(parents=True, exist_ok=True)
        changed = [path for path in _tracked() if _copy(ROOT / path, self.folder / path)]
        (self.folder / "setup.cfg").write_text(self._configuration())
        self._let_plain_copies_be_mutated()
        ferretdb = ROOT / "build" / "ferretdb"
        (self._mutants / "build").mkdir(parents=True, exist_ok=True)
        if ferretdb.exists() and not (self._mutants / "build" / "ferretdb").exists():
            (self._mutants / "build" / "ferretdb").symlink_to(ferretdb)
        if not any(path.startswith("tests/") for path in changed):
            return []
        (self._mutants / "mutmut-stats.json").unlink(missing_ok=True)
        shutil.rmtree(self._process_results, ignore_errors=True)
        return [name for name, status in self.results().items() if status in {"survived", "no tests"}]

    def _let_plain_copies_be_mutated(self) -> None:
        """Renew the files that mutmut has only copied, while they were none of the module's: it goes by their times."""
        for path in filter(self.module.has, _tracked()):
            with suppress(FileNotFoundError):
                if (self._mutants / path).read_bytes() == (self.folder / path).read_bytes():
                    (self.folder / path).touch()

    def _configuration(self) -> str:
        module = self.module
        copied = [path.name for path in self.folder.iterdir() if path.name not in {"soundlift", "functions", "mutants"}]
        parts = {"files": module.files, "copied": copied, "patterns": FOR_PEOPLE, "tests": module.tests}
        parts["options"] = module.options
        return CONFIGURATION.format(**{name: "\n  ".join(part) for name, part in parts.items()})

    def _make_mutants(self, deadline: float) -> None:
        """Have mutmut make its mutants and see which test calls which function, but check none.

        It has no command of its own for that: it makes them before it finds that none has the name it is given.
        """
        with suppress(RuntimeError):
            self._mutmut(["none"], deadline)
        if not (self._mutants / "mutmut-stats.json").exists() and time.monotonic() < deadline:
            raise RuntimeError(
                f"The tests fail without a mutant, or call nothing of it; {self.folder / 'log'} says why."
            )

    def _unchecked(self, sample: int) -> list[str]:
        results = self.results()
        names = sorted(results)
        random.Random(0).shuffle(names)
        return [name for name in names[: sample or None] if results[name] not in CHECKED]

    def _mutmut(self, names: Sequence[str], deadline: float) -> None:
        children = "1" if self.module.rabbitmq else str(os.cpu_count())
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", RUN_MUTMUT, "run", "--max-children", children, *names],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                code = process.wait(max(deadline - time.monotonic(), 1))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # it keeps what it has found
                code = 0
                with suppress(subprocess.TimeoutExpired):
                    process.wait(SECONDS_TO_STOP)
            finally:
                self._kill_left_over()
                process.wait()
        if code:
            raise RuntimeError(f"mutmut ended with exit code {code}; {self.folder / 'log'} says why.")

    def _run_processes(self, deadline: float) -> None:
        """Run the tests that start processes for the mutants that no other test calls."""
        if not self.module.processes:
            return
        self._process_results.mkdir(exist_ok=True)
        names = [name for name, status in self.results().items() if status == "no tests"]
        if names and time.monotonic() < deadline and self._try_in_processes("") != "survived":
            raise RuntimeError(f"{', '.join(self.module.processes)} fail without a mutant.")
        for name in names:
            if time.monotonic() > deadline:
                return
            (self._process_results / name).write_text(self._try_in_processes(name))

    def _try_in_processes(self, mutant: str) -> str:
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "pytest", "-x", "-q", *self.module.options, *self.module.processes],
                cwd=self._mutants,
                env={**self._environment, "MUTANT_UNDER_TEST": _as_run(mutant)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=SECONDS_FOR_ONE,
            )
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            self._kill_left_over()
        return "killed" if ended.returncode else "survived"

    @property
    def _process_results(self) -> Path:
        return self.folder / "processes"

    def _process_result(self, mutant: str) -> str:
        with suppress(FileNotFoundError):
            return (self._process_results / mutant).read_text()
        return ""

    def _read(self, *arguments: str) -> str:
        command = [MUTMUT, *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    @contextmanager
    def _temporary_folder(self) -> Iterator[None]:
        """Give the tests a folder for what a killed one leaves, with a short name for the sake of sockets' names."""
        with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
            self._environment["TMPDIR"] = folder
            yield

    def _kill_left_over(self) -> None:
        """Kill what a run left: a test that is stopped in the middle cannot stop its servers."""
        mark = f"{MARK}={self.folder}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)


def _as_run(mutant: str) -> str:
    """Return a mutant's name in a process that runs its package by `python -m`: the module is __main__ there."""
    package, _, name = mutant.partition(".__main__.")
    return f"__main__.{name}" if name else package


def _tracked() -> list[str]:
    """Return the paths of all files of the project, also of those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for path in listed if (ROOT / path).is_file()]


def _copy(source: Path, target: Path) -> bool:
    """Copy a file where its content differs; mutmut goes by the time of its last change, so that is now."""
    content = source.read_bytes()
    if target.exists() and target.read_bytes() == content:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(source.stat().st_mode)
    return True
