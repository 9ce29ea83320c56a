"""The files of the page, read and compressed once, and the release that names this set of files.

The function serves a file at its name and at /RELEASE/NAME, where RELEASE is a hash of all files. The first page refers
to the second kind, so that browsers keep the files for a year, load no file twice, and never mix two releases.

Modules that others load by `import(…)` only, when somebody needs them, are not among the files that every visit loads.

Scripts and styles are served without comments and indentation, which are for those who read the source: without them,
the page weighs a fifth less, compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from soundlift.common.web.page_icon import ICON

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
ICON_NAME = "icon.svg"
MAX_BYTES = 2**20  # of all files; they stay in memory
RELEASE_LENGTH = 12
HEAD_END = b"</head>"
SCRIPT = re.compile(rb'<script type="module" src="([\w-]+\.js)"')
STATIC_IMPORT = re.compile(rb'^(?:import|export)\b[^;()]*"\./([\w-]+\.js)"', re.MULTILINE)
REFERENCE = re.compile(rb'\b(src|href)="(?=[\w-]+\.\w+")')
CONDENSED = (".js", ".css")
COMMENT = re.compile(rb"^[ \t]*(?:/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*$", re.MULTILINE)
INDENTATION = re.compile(rb"^[ \t]+", re.MULTILINE)
MIMETYPES = mimetypes.MimeTypes()  # only Python's own table, whatever types the machine has configured
MIMETYPES.add_type("text/javascript", ".js")  # RFC 9239; Python before 3.12 has an obsolete type


@dataclass(frozen=True)
class StaticFile:
    """A file, plain and compressed, and the Content-Security-Policy that it needs instead of the usual one."""

    plain: bytes
    compressed: bytes
    mimetype: str
    policy: str | None = None

    @classmethod
    def of(cls, content: bytes, mimetype: str, policy: str | None = None) -> Self:
        """Return a file with a content; each process compresses it to the same bytes."""
        return cls(content, gzip.compress(content, mtime=0), mimetype, policy)

    @property
    def etag(self) -> str:
        """Return a tag that changes with the content."""
        return hashlib.sha256(self.plain).hexdigest()[:32]


@dataclass(frozen=True)
class StaticFiles:
    """The files of the page by name, their release, and the names of the modules that are loaded only when needed."""

    release: str
    files: dict[str, StaticFile]
    on_demand: frozenset[str]


@cache
def read_files(folder: Path = FOLDER) -> StaticFiles:
    """Return the files of a folder and the icon; the index refers to the others by their release."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    contents = {ICON_NAME: ICON} | {str(file.relative_to(folder)): file.read_bytes() for file in files}
    size = sum(map(len, contents.values()))
    if size > MAX_BYTES:
        raise ValueError(f"{folder} has {size} bytes; the page may have {MAX_BYTES}.")
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(b"%s %d\n%s" % (name.encode(), len(content), content))
    release = digest.hexdigest()[:RELEASE_LENGTH]
    modules = _startup_modules(contents)
    index = contents[INDEX].replace(HEAD_END, _preloads(name for name in contents if name in modules) + HEAD_END)
    contents[INDEX] = REFERENCE.sub(rf'\1="{release}/'.encode(), index)
    on_demand = frozenset(name for name in contents if name.endswith(".js") and name not in modules)
    return StaticFiles(release, {name: _static_file(name, content) for name, content in contents.items()}, on_demand)


def _startup_modules(contents: Mapping[str, bytes]) -> set[str]:
    """Return the names of the modules that every visit loads: the index names them, or one of them imports them."""
    found: set[str] = set()
    new = {name.decode() for name in SCRIPT.findall(contents[INDEX])}
    while new:
        found |= new
        imports = (STATIC_IMPORT.findall(contents.get(name, b"")) for name in new)
        new = {name.decode() for names in imports for name in names} - found
    return found


def _preloads(modules: Iterable[str]) -> bytes:
    """Return links that load modules at once, whereas an import is found only in the module that contains it."""
    return "".join(f'  <link rel="modulepreload" href="{name}">\n  ' for name in modules).encode()


def _static_file(name: str, content: bytes) -> StaticFile:
    if name.endswith(CONDENSED):
        content = condensed(content)
    return StaticFile.of(content, MIMETYPES.guess_type(name)[0] or "application/octet-stream")


def condensed(code: bytes) -> bytes:
    """Return a script or style sheet without indentation and the comments that have lines of their own.

    All other lines keep their numbers.
    """
    return INDENTATION.sub(b"", COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), code))
