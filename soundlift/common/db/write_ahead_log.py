"""Switches SQLite files to a write-ahead log, so that readers never wait for the writer."""

from __future__ import annotations

import sqlite3
import time

MAX_WAIT_SECONDS = 10.0
POLL_SECONDS = 0.02


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch a database to WAL mode, which is stored in its file (https://www.sqlite.org/wal.html).

    If several processes do this concurrently on a new file, SQLite reports a locked database to all but one of them,
    without waiting for the busy timeout, so this function retries. Raises sqlite3.OperationalError if the database is
    still locked after MAX_WAIT_SECONDS.
    """
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return
