"""The modules to mutate and the equivalent changes, as listed in modules.toml and equivalents.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
# A literal that is (the beginning of) a sentence, possibly with the X that mutmut adds around it.
SENTENCE = re.compile(r"""(["'])(?:XX)?(?:[^"'\s]+\s){2,}[^"']*\1""")


@dataclass(frozen=True)
class Module:
    """Files that are mutated together, and the tests that must kill their mutants."""

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
        """Return the options for pytest, without the tests."""
        expression = " and ".join(f"not {word}" for word in self.deselect)
        return ["-p", "no:cacheprovider", *(["-k", expression] if expression else [])]

    def has(self, path: str) -> bool:
        """Return whether a path is one of the module's files."""
        return any(fnmatch(path, pattern) for pattern in self.files)


@dataclass(frozen=True)
class Equivalent:
    """A change that no test can or should detect, with the reason."""

    file: str
    change: str
    reason: str

    def covers(self, mutant: str, difference: str) -> bool:
        """Return whether a mutant makes this change, ignoring white space."""
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return mutant.startswith(f"{module}.x") and without_spaces(difference) == without_spaces(self.change)

    def lines(self, sign: str) -> str:
        """Return the lines that the change removes (sign -) or adds (sign +)."""
        return _lines(self.change, sign)


def read_modules() -> dict[str, Module]:
    """Return the modules by name, in the order of the file."""
    tables = tomllib.loads((HERE / "modules.toml").read_text())
    return {name: Module(name, **table) for name, table in tables.items()}


def read_equivalents() -> list[Equivalent]:
    """Return the equivalent changes."""
    tables = tomllib.loads((HERE / "equivalents.toml").read_text())
    return [Equivalent(**table) for table in tables.get("equivalent", [])]


def changes_only_wording(difference: str) -> bool:
    """Return whether a mutant changes only the case of letters or the text of a sentence.

    For each string mutmut makes a mutant with X around it and two in another case. A test of the string detects the
    first; for the names of headers and encodings, the other two are equivalent.
    """
    removed, added = _lines(difference, "-"), _lines(difference, "+")
    return bool(removed) and (removed.lower() == added.lower() or SENTENCE.sub("", removed) == SENTENCE.sub("", added))


def without_spaces(text: str) -> str:
    """Return a text without white space."""
    return "".join(text.split())


def _lines(difference: str, sign: str) -> str:
    return "\n".join(line[1:] for line in difference.splitlines() if line.startswith(sign))
