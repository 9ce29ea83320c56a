"""Modules that are mutated, and the changes that do not count, as the lists beside this file have them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
# A literal that is a sentence or the beginning of one. mutmut has put X around it, or turned its letters into capitals.
SENTENCE = re.compile(r"""(["'])(?:XX)?(?:[^"'\s]+\s){2,}[^"']*\1""")


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
        """Return pytest's options, without the tests."""
        words = " and ".join(f"not {word}" for word in self.deselect)
        return ["-p", "no:cacheprovider", *(["-k", words] if words else [])]

    def has(self, path: str) -> bool:
        """Return whether a path is one of its files."""
        return any(fnmatch(path, pattern) for pattern in self.files)


@dataclass(frozen=True)
class Equivalent:
    """A change that no test can notice, or should, with the reason."""

    file: str
    change: str
    reason: str

    def covers(self, mutant: str, difference: str) -> bool:
        """Return whether a mutant is this change; layout does not count."""
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return mutant.startswith(f"{module}.x") and squeezed(difference) == squeezed(self.change)

    def lines(self, sign: str) -> str:
        """Return the lines that it removes, or those that it adds."""
        return _lines(self.change, sign)


def read_modules() -> dict[str, Module]:
    """Return the modules by their names, in the order of the file."""
    tables = tomllib.loads((HERE / "modules.toml").read_text())
    return {name: Module(name, **table) for name, table in tables.items()}


def read_equivalents() -> list[Equivalent]:
    """Return the changes that do not count."""
    tables = tomllib.loads((HERE / "equivalents.toml").read_text())
    return [Equivalent(**table) for table in tables.get("equivalent", [])]


def changes_words_only(difference: str) -> bool:
    """Return whether a mutant changes nothing but the case of letters, or a sentence for people.

    Of each text mutmut makes a mutant with X before and behind it, and two in other letters. A test that should hold
    the text notices the first; the others add a question that has no answer for names of headers and encodings.
    """
    removed, added = _lines(difference, "-"), _lines(difference, "+")
    return bool(removed) and (removed.lower() == added.lower() or SENTENCE.sub("", removed) == SENTENCE.sub("", added))


def squeezed(text: str) -> str:
    """Return a text without its layout."""
    return "".join(text.split())


def _lines(difference: str, sign: str) -> str:
    return "\n".join(line[1:] for line in difference.splitlines() if line.startswith(sign))
