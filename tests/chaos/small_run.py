"""A small run as promised, which tests change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from soundlift.client import Job
from tests.chaos.accounts.accountant import account
from tests.chaos.clips.clips import Clip
from tests.chaos.clips.tones import Sound, tone_of
from tests.chaos.history import Fact
from tests.chaos.outside.view import Mail, Outside, SeenJob, Stored

OWNER, OTHER = "ada@example.org", "bob@example.org"
GOOD, BROKEN, REFUSED = 0, 1, 2
ENDED_AT = "2026-11-28T12:00:00+00:00"


def clip(number: int, *outcomes: str, refusals: tuple[int, ...] = ()) -> Clip:
    kind = {GOOD: "mp4", BROKEN: "no-audio", REFUSED: "text"}[number]
    ends = frozenset(outcomes)
    return Clip(number, kind, Path("clip.mp4"), "video/mp4", tone_of(number), 1.0, True, ends, frozenset(refusals))


CLIPS = [clip(GOOD, "ready"), clip(BROKEN, "no_audio"), clip(REFUSED, refusals=(415,))]


def seen(job_id: str, file_name: str, state: str = "ready", code: str | None = None) -> SeenJob:
    document = {"job_id": job_id, "state": state, "file_name": file_name, "username": OWNER}
    error = {"code": code, "detail": "It failed."} if code else None
    job = Job.of({**document, "error": error, "created_at": datetime.now(UTC).isoformat(), "ended_at": ENDED_AT})
    return SeenJob(job, f"video of {job_id}", f"audio of {job_id}" if state == "ready" else None)


def upload(name: str, clip: int = GOOD, key: str | None = "a key", request: int = 1) -> Fact:
    values = {"upload": name, "request": request, "user": OWNER, "clip": clip, "key": key, "file_name": f"{name}.mp4"}
    return {"at": 1.0, "kind": "upload", **values}


def response(name: str, status: int | None, job: str | None = None, request: int = 1) -> Fact:
    return {"at": 2.0, "kind": "response", "upload": name, "request": request, "status": status, "job": job}


def action(kind: str, name: str, job: str, status: int | None) -> Fact:
    return {"at": 3.0, "kind": kind, "upload": name, "job": job, "status": status}


def fault(name: str, at: float = 2.5, target: str = "notify") -> Fact:
    return {"at": at, "kind": "fault", "number": 1, "name": name, "target": target, "phase": "begin"}


def part(name: str, offset: int | None, status: int | None = 204, method: str = "PATCH") -> Fact:
    values = {"upload": name, "id": f"id of {name}", "method": method, "offset": offset, "status": status}
    return {"at": 1.5, "kind": "part", **values}


def webhook(job: str, outcome: str = "ready", webhook_id: str = "", status: int = 204, at: float = 4.0) -> Fact:
    values = {"id": webhook_id or f"webhook of {job}", "to": OWNER, "job": job, "type": f"job.{outcome}"}
    return {"at": at, "kind": "webhook", **values, "ended_at": ENDED_AT, "status": status}


def mail(job: str, outcome: str = "ready", retry: int = 0, at: float | None = None) -> Mail:
    return Mail(job, outcome, retry, OWNER, at)


@dataclass
class Run:
    """Three uploads as promised: `good` becomes an audio file, `broken` fails, `refused` leaves nothing."""

    facts: list[Fact] = field(default_factory=list)
    jobs: dict[str, SeenJob] = field(default_factory=dict)
    sounds: dict[str, Sound | None] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    webhooks: list[Fact] = field(default_factory=list)
    videos: Stored = field(default_factory=Stored)
    outputs: Stored = field(default_factory=Stored)
    waiting: Mapping[str, int] = field(default_factory=dict)
    temporary: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.facts += [upload("good"), upload("broken", BROKEN), upload("refused", REFUSED)]
        self.facts += [response("good", 202, "j1"), response("broken", 202, "j2"), response("refused", 415)]
        self.jobs |= {"j1": seen("j1", "good.mp4"), "j2": seen("j2", "broken.mp4", "failed", "no_audio")}
        self.sounds["j1"] = Sound(1.0, tone_of(GOOD))
        self.notify("j1")
        self.notify("j2", "failed")
        self.videos = Stored(frozenset({"video of j1", "video of j2"}))
        self.outputs = Stored(frozenset({"audio of j1"}))

    def remove(self, job: str) -> None:
        """Let nothing remain of a job."""
        del self.jobs[job]
        self.sounds.pop(job, None)
        self.videos = Stored(self.videos.files - {f"video of {job}"})
        self.outputs = Stored(self.outputs.files - {f"audio of {job}"})
        self._forget_notifications(job)

    def add(self, job: str, file_name: str) -> None:
        """Add another job that is ready, with everything that belongs to it."""
        self.jobs[job] = seen(job, file_name)
        self.sounds[job] = Sound(1.0, tone_of(GOOD))
        self.videos = Stored(self.videos.files | {f"video of {job}"})
        self.outputs = Stored(self.outputs.files | {f"audio of {job}"})
        self.notify(job)

    def end(self, job: str, state: str, code: str | None = None) -> None:
        """Let a job end in another state, without an audio file, and without a mail or a webhook."""
        self.jobs[job] = seen(job, self.jobs[job].job.file_name, state, code)
        self.sounds.pop(job, None)
        self.outputs = Stored(self.outputs.files - {f"audio of {job}"})
        self._forget_notifications(job)

    def notify(self, job: str, outcome: str = "ready") -> None:
        """Send a mail and a webhook."""
        self.mails.append(mail(job, outcome))
        self.webhooks.append(webhook(job, outcome))

    def _forget_notifications(self, job: str) -> None:
        self.mails = [one for one in self.mails if one.job != job]
        self.webhooks = [one for one in self.webhooks if one["job"] != job]

    def violations(self) -> list[str]:
        """Return the names of the checks that fail."""
        names = ("jobs", "sounds", "mails", "videos", "outputs", "waiting", "temporary")
        outside = Outside(**{name: getattr(self, name) for name in names})
        endpoint = {"at": 0.0, "kind": "endpoint", "user": OWNER}
        facts = [*self.facts, *self.webhooks, endpoint]
        return [one.check.replace(" ", "_") for one in account(facts, CLIPS, outside)]
