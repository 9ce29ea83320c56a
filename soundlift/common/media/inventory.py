"""What the listing of a media store has said, kept on disk, since a store may have millions of files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator

from soundlift.common.media import ListedFile

PAGE = 500

SCHEMA = """
CREATE TABLE file (
    fid TEXT NOT NULL, committed INTEGER NOT NULL, size INTEGER NOT NULL, modified_at REAL NOT NULL, ours INTEGER,
    PRIMARY KEY (fid, committed)
) WITHOUT ROWID
"""

INSERT = """
INSERT INTO file VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    size = excluded.size, modified_at = max(modified_at, excluded.modified_at), ours = excluded.ours
"""


class Inventory:
    """The files of one bucket, in a temporary SQLite database that disappears with this object."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)  # https://www.sqlite.org/inmemorydb.html#temp_db
        self._connection.execute(SCHEMA)

    def add(self, files: Iterable[ListedFile]) -> None:
        """Add files; one that is listed twice counts once, and is as young as the youngest of its parts."""
        rows = [(file.fid, file.committed, file.size, file.modified_at, file.ours) for file in files]
        self._connection.execute("BEGIN")
        self._connection.executemany(INSERT, rows)
        self._connection.execute("COMMIT")

    def sizes(self, fids: Collection[str]) -> dict[str, int]:
        """Return the sizes in bytes of those of these files that are committed."""
        marks = ",".join("?" * len(fids))
        query = f"SELECT fid, size FROM file WHERE committed AND fid IN ({marks})"
        return dict(self._connection.execute(query, tuple(fids)))

    def unfinished(self, fids: Collection[str]) -> set[str]:
        """Return those of these files that a writer has begun."""
        marks = ",".join("?" * len(fids))
        query = f"SELECT fid FROM file WHERE NOT committed AND fid IN ({marks})"
        return {fid for (fid,) in self._connection.execute(query, tuple(fids))}

    def pages(self) -> Iterator[list[ListedFile]]:
        """Yield all files, at most PAGE at a time, in the order of their ids."""
        last = ("", -1)
        query = (
            "SELECT fid, size, modified_at, committed, ours FROM file WHERE (fid, committed) > (?, ?) "
            f"ORDER BY fid, committed LIMIT {PAGE}"
        )
        while rows := self._connection.execute(query, last).fetchall():
            yield [
                ListedFile(fid, size, at, committed=bool(committed), ours=bool(ours))
                for fid, size, at, committed, ours in rows
            ]
            last = (rows[-1][0], rows[-1][3])

    def totals(self) -> tuple[int, int]:
        """Return the number of committed files, and their size in bytes."""
        count, size = self._connection.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM file WHERE committed"
        ).fetchone()
        return count, size

    def close(self) -> None:
        """Delete the database."""
        self._connection.close()


def take_inventory(files: Iterator[ListedFile]) -> Inventory:
    """Return the inventory of a listing; raises StoreUnavailable."""
    inventory = Inventory()
    for page in in_pages(files):
        inventory.add(page)
    return inventory


def in_pages(files: Iterator[ListedFile], size: int = PAGE) -> Iterator[list[ListedFile]]:
    """Yield the files of a listing, at most `size` at a time."""
    page: list[ListedFile] = []
    for file in files:
        page.append(file)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
