"""A power cut, as far as a folder of media files can tell.

SIGKILL loses nothing that a process has written, because the kernel keeps it in the page cache. A power cut loses what
was not flushed: the content of a file without fsync, and every change of a name without an fsync of the folder after it
(fsync(2)). So while the processes run, each fsync is recorded, and each removed file is kept (`record_syncs` and
`keep_deleted` of sitecustomize.py). After the processes were killed, this module does to the folder the worst that a
file system may do:

- It empties each file that was never flushed.
- It removes each name that the folder did not have when it was last flushed, and brings back each that it had then.

The databases are left alone: SQLite flushes its files itself, with `PRAGMA synchronous = FULL`, from C, where Python
cannot see it.
"""

from __future__ import annotations

import json
from pathlib import Path


class Journal:
    """What was flushed to the disk: the inodes of files, and the names in each folder at its last flush."""

    def __init__(self, file: Path) -> None:
        self.inodes: set[int] = set()
        self._names: dict[Path, set[str]] = {}
        for line in file.read_text().splitlines() if file.exists() else []:
            entry = json.loads(line)
            if "inode" in entry:
                self.inodes.add(entry["inode"])
            else:
                self._names[Path(entry["folder"])] = set(entry["names"])

    def names_in(self, folder: Path) -> set[str]:
        return self._names.get(folder, set())


def lose_unsynced(folder: Path, journal: Journal, deleted: Path) -> None:
    """Take back what was not flushed in a folder; `deleted` has the files that were removed from it."""
    durable_names = journal.names_in(folder)
    for path in folder.iterdir():
        if path.name not in durable_names:
            path.unlink()
        elif path.stat().st_ino not in journal.inodes:
            path.write_bytes(b"")
    for name in durable_names - {path.name for path in folder.iterdir()}:
        (deleted / name).rename(folder / name)
