"""An embedded stack whose processes are held at points, with one owner who uploads, and its accounts."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from devservers.local_stack import GATEWAY, Stack, Start, living_processes
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.client import ApiError, Client
from soundlift.common.db.tables import jobs
from soundlift.common.events import event_for
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.environment import STACK_FILE
from tests.chaos.accounts.accountant import account
from tests.chaos.accounts.books import Violation
from tests.chaos.accounts.emptying import empty
from tests.chaos.clips.clips import Clip, make_clips_of
from tests.chaos.history import History, read_history
from tests.chaos.outside.deployment import Deployment, look
from tests.chaos.outside.mailboxes import read_maildir
from tests.chaos.outside.queues import count_queue_file
from tests.chaos.outside.rest import come_to_rest, skip_time
from tests.chaos.outside.view import Mail
from tests.chaos.safeguards.power_cut import Journal, lose_unsynced
from tests.factories.accounts import PASSWORD, SECRET

OWNER, ADMIN = "ada@example.org", "admin@example.org"
PROCESS_FOLDER = Path(__file__).with_name("process")
ROOT = Path(__file__).parents[3]  # sitecustomize imports the project before the working directory is on sys.path
CONCURRENCY = "4"
REST_SECONDS = 40
UNREST_SECONDS = 8  # without a safeguard, a stack may never come to rest


class GuardedStack:
    """A stack in a folder, with the safeguard `off` switched off, if it is named."""

    def __init__(self, start: Start, folder: Path, password_hash: str, *, off: str, disk_error: bool) -> None:
        self._start_stack = start
        self._folder = folder
        self._control = folder / "control"
        self._temporary = folder / "temporary"
        for one in (folder, self._control, self._temporary):
            one.mkdir()
        self._clips: list[Clip] = []
        self._off = off
        if disk_error:
            (self._control / "disk error").touch()
        self._stack = self._start()
        self._history = History(folder / "history.jsonl")
        self.services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(self.data), "JWT_SECRET": SECRET}))
        self.services.users.add(OWNER, password_hash)
        self.services.users.add(ADMIN, password_hash, admin=True)

    @property
    def data(self) -> Path:
        return self._folder / "data"

    def close(self) -> None:
        """Kill everything, which takes seconds less than stopping it."""
        self._kill_all()
        self.services.database.engine.dispose()
        self._history.close()

    def upload(self, kind: str) -> str:
        """Upload a clip of a kind, and return its job's id; raises ApiError if it is refused."""
        number = len(self._clips)
        self._clips += make_clips_of(self._folder / "clips", [kind], first=number)
        clip = self._clips[-1]
        name = f"u{number}"
        file_name = f"{name}{clip.suffix}"
        sent = {"user": OWNER, "clip": number, "file_name": file_name, "key": None, "way": "client"}
        self._history.record("upload", upload=name, request=1, **sent)
        try:
            with Client(self._stack.url, email=OWNER, password=PASSWORD) as client:
                job = client.upload(clip.path, file_name)
        except ApiError as error:
            self._history.record("response", upload=name, request=1, status=error.status, code=error.code, job=None)
            raise
        self._history.record("response", upload=name, request=1, status=202, code=None, job=job.id)
        return job.id

    def delete(self, job_id: str) -> None:
        """Delete a job as its owner, and let cleanup delete its files."""
        job = self.services.jobs.find(job_id)
        assert job
        with Client(self._stack.url, email=OWNER, password=PASSWORD) as client:
            client.delete(job_id)
        name = job.file_name.partition(".")[0]
        self._history.record("delete", upload=name, job=job_id, user=OWNER, status=204)
        skip_time(self.services.database)
        wait_for(lambda: not sum(self.cleanup().values()), "cleanup has nothing to do")

    def hold(self, point: str) -> None:
        (self._control / f"hold {point}").touch()

    def wait_until_held(self, point: str) -> None:
        wait_for((self._control / f"held {point}").exists, f"a process is held where {point}")

    def release(self, point: str) -> None:
        for name in (f"hold {point}", f"held {point}"):
            (self._control / name).unlink(missing_ok=True)

    def send_again(self, job_id: str) -> None:
        """Publish the event of a job once more, as cleanup or a broker may."""
        job = self.services.jobs.find(job_id)
        assert job
        self.services.publisher.publish(event_for(job))

    def wait_for_state(self, job_id: str, *states: str) -> str:
        def state() -> str | None:
            job = self.services.jobs.find(job_id)
            return job.state if job and job.state in states else None

        return wait_for(state, f"the job is {' or '.join(states)}")

    def wait_for_deliveries(self, queue: str, running: int) -> None:
        """Wait until all messages of a queue but `running` are settled or put off."""
        statement = "SELECT COUNT(*) FROM message WHERE queue = ? AND (holder IS NOT NULL OR visible_at <= ?)"
        wait_for(
            lambda: self._queue(statement, queue, time.time()) == running,
            f"{running} deliveries of {queue} are running",
        )

    def lose_messages(self, queue: str) -> None:
        self._queue("DELETE FROM message WHERE queue = ?", queue)

    def lapse_claims(self) -> None:
        """Let the claims of all workers lapse, as if they had been stopped for that long."""
        with self.services.database.write() as connection:
            connection.execute(sa.update(jobs).where(jobs.c.claimed_until.is_not(None)).values(claimed_until=0.0))

    def signal_connector(self, number: signal.Signals) -> None:
        child = wait_for(lambda: self._stack.child("soundlift.connector"), "the connector runs")
        os.kill(child.pid, number)

    def kill_gateway(self) -> None:
        """Kill all functions; the supervisor starts them again, and nothing is held anymore."""
        child = wait_for(lambda: self._stack.child(GATEWAY), "the gateway runs")
        self._history.record("fault", number=1, name="kill", target="gateway", phase="begin")
        os.killpg(child.pid, signal.SIGKILL)
        for path in self._control.glob("h[eo]ld *"):
            path.unlink()
        wait_for(
            lambda: self._stack.child(GATEWAY) not in (None, child) and self._stack.answers(), "the gateway is back"
        )

    def cut_power(self) -> None:
        """Kill everything, take back what was not flushed to the disk, and start again."""
        self._history.record("fault", number=2, name="power cut", target="all", phase="begin")
        self._kill_all()
        self._queue("UPDATE message SET holder = NULL")  # the leases lapse while the power is off
        for path in self._control.glob("h[eo]ld *"):
            path.unlink()
        for bucket in ("videos", "mp3s"):
            folder = self.data / "media" / bucket
            lose_unsynced(folder, Journal(self._control / "synced"), self._control / "deleted")
        self._stack = self._start()

    def cleanup(self) -> dict[str, int]:
        answer = self._stack.cleanup()
        assert answer.status == 200, answer.data
        counts: dict[str, int] = answer.json()
        return counts

    def end_disk_error(self, job_id: str) -> None:
        """Let reads succeed, after one has failed and the conversion has ended or was put off."""

        def has_left_the_worker() -> bool:
            job = self.services.jobs.find(job_id)
            return job is not None and (job.ended or job.last_cause is not None)

        wait_for((self._control / "disk failed").exists, "a read has failed")
        wait_for(has_left_the_worker, "the conversion is over")
        (self._control / "disk error").unlink()

    def violations(self) -> list[Violation]:
        """Let the stack come to rest, and return what the accountant finds."""
        seconds = UNREST_SECONDS if self._off else REST_SECONDS
        with Client(self._stack.url, email=ADMIN, password=PASSWORD) as admin:
            deployment = Deployment(admin, f"file://{self.data}/media", self._waiting, self._mails, self._temporary)
            come_to_rest(deployment, self.services.database, self.cleanup, seconds=seconds)
            outside = look(deployment)
            left = empty(deployment, self.services.database, self.cleanup, seconds=seconds)
        return account(read_history(self._folder / "history.jsonl"), self._clips, outside) + left

    def _kill_all(self) -> None:
        processes = [self._stack.process.pid, *(one.pid for one in self._stack.descendants())]
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._stack.process.wait()
        wait_for(lambda: not set(processes) & living_processes().keys(), "all processes are gone")

    def _waiting(self) -> Mapping[str, int]:
        """Count the messages, and let those that were put off be delivered now."""
        self._queue("UPDATE message SET visible_at = 0 WHERE holder IS NULL")
        return count_queue_file(self.data / "queue.db")

    def _mails(self) -> list[Mail]:
        return read_maildir(self.data / "mail")

    def _queue(self, statement: str, *values: object) -> Any:
        with closing(sqlite3.connect(self.data / "queue.db", timeout=DEADLINE_SECONDS)) as connection, connection:
            found = connection.execute(statement, values).fetchone()
        return found and found[0]

    def _start(self) -> Stack:
        # Only the test calls cleanup.
        stack_file = self._folder / "stack.yml"
        stack_file.write_text(STACK_FILE.read_text().replace("topic: cron-function", "topic: nobody"))
        return self._start_stack(
            self.data,
            STACK_FILE=str(stack_file),
            PYTHONPATH=os.pathsep.join((str(PROCESS_FOLDER), str(ROOT))),
            SAFEGUARDS=str(self._control),
            SAFEGUARDS_OFF=self._off,
            TMPDIR=str(self._temporary),
            CONVERT_CONCURRENCY=CONCURRENCY,
            CONNECTOR_CONCURRENCY=CONCURRENCY,
        )
