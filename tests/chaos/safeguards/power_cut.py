"""A power cut, as far as a folder of media files can tell.

SIGKILL loses nothing that a process has written, because the kernel keeps it in the page cache. A power cut loses what
was not flushed: the content of a file without fsync, and the name of a file without an fsync of its folder after it was
created or renamed (fsync(2)). So while the processes run, each fsync is recorded (`record_syncs` of sitecustomize.py).
After the processes were killed, this module does to the folder the worst that a file system may do: it empties each
file that was never flushed, and removes each name that its folder did not have when it was last flushed.

The databases are left alone: SQLite flushes its files itself, with `PRAGMA synchronous = FULL`, from C, where Python
cannot see it.
"""

from __future__ import annotations

import json
from pathlib import Path


def lose_unsynced(folder: Path, journal: Path) -> list[str]:
    """Take back what was not flushed in a folder, and return the names of the files that changed."""
    inodes: set[int] = set()
    durable_names: set[str] = set()
    for line in journal.read_text().splitlines() if journal.exists() else []:
        entry = json.loads(line)
        if "inode" in entry:
            inodes.add(entry["inode"])
        elif Path(entry["folder"]) == folder:
            durable_names = set(entry["names"])
    return [path.name for path in sorted(folder.glob("*")) if _lose(path, inodes, durable_names)]


def _lose(path: Path, inodes: set[int], durable_names: set[str]) -> bool:
    if path.name not in durable_names:
        path.unlink()
        return True
    if path.stat().st_ino not in inodes:
        path.write_bytes(b"")
        return True
    return False
