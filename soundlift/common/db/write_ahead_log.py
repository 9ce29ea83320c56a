"""Turns SQLite files to a write-ahead log, so that readers never wait for the writer."""

from __future__ import annotations

import sqlite3
import time

LONGEST_WAIT_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.02


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Turn a database to WAL, which stays with its file (https://www.sqlite.org/wal.html).

    Of several processes that do so at once on a new file, SQLite tells all but one at once that it is locked,
    whatever the busy timeout is; so this waits. Raises sqlite3.OperationalError when it waited in vain.
    """
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_AGAIN_SECONDS)
        else:
            return
