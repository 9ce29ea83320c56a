"""The history of a run: one JSON document per line for each fact that a client, or whoever injects faults, has seen.

Every fact has `at`, the seconds since the start of the run on the monotonic clock, and `kind`. Its other fields:

`run`       first line: `seed`, `seconds`, `uploads`, `store`, `users`, `skipped` (faults that this machine cannot
            inject, each with the reason); last line: `ended` is true.
`fault`     `number`, `name`, `target`, `phase` ("begin", "end" or "failed"), and the fault's own values.
`upload`    a request is about to be sent: `upload` (name of the logical upload, the same for its repetitions),
            `request` (1, 2, …), `user`, `clip` (number), `file_name` (unique for each upload), `key` (or null),
            `way`, `options`.
`part`      one of several requests that send an upload: `upload`, `id` (of the resumable or direct upload), `method`,
            `offset` (acknowledged by the answer, or null), `status`, `code`, `error`.
`response`  what became of that request, or of those that send it in parts: `upload`, `request`, `status` (null if no
            answer arrived), `code` (of the problem document), `job` (id, or null), `error` (class and text if no answer
            arrived, or null).
`cancel`, `retry`, `delete`
            `upload`, `job`, `user`, `status` (null if no answer arrived), `code`, `error`.
`seen`      a state in which its owner saw a job for the first time: `upload`, `job`, `state`.
`download`  `upload`, `job`, `user`, `status`, `error`, `bytes`, `sha256` (of a complete file, otherwise null).
`signed in` how a user's programs sign in: `user`, `way` ("key" or "token").
`endpoint`  a user has added a webhook: `user`.
`webhook`   a webhook arrived: `id` (of the delivery), `to` (user), `job`, `type` (null if its signature is wrong),
            `ended_at` (of the job), `status` (that it was answered with).
`mail`      an email that the mail server accepted: `job`, `to`, `outcome` ("ready" or "failed"), `message_id`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

Fact = dict[str, Any]


class History:
    """A file of facts, written by the threads of one process and flushed with each fact."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("x", encoding="utf-8")
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def record(self, kind: str, **values: object) -> None:
        """Append a fact with the current time."""
        with self._lock:
            fact = {"at": round(time.monotonic() - self._began, 3), "kind": kind, **values}
            self._file.write(json.dumps(fact, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_history(path: Path) -> Iterator[Fact]:
    """Yield all facts of a file in their order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
