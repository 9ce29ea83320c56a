"""What can be seen of a deployment from outside, after everything has come to rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from soundlift.client import Job
from tests.chaos.clips.tones import Sound


@dataclass(frozen=True)
class Mail:
    """A mail about the outcome of a job; `retry` is 0 until the owner retries the job.

    `at` is in seconds since the start of the run; None if nobody watched the mail arrive.
    """

    job: str
    outcome: str
    retry: int
    recipient: str
    at: float | None = None


@dataclass(frozen=True)
class Stored:
    """The files of one bucket of the media store; `unfinished` names what an interrupted writer left."""

    files: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SeenJob:
    """A job as the API shows it to an admin, and the ids of its files; `output_fid` is None without an audio file."""

    job: Job
    video_fid: str
    output_fid: str | None


@dataclass(frozen=True)
class Outside:
    """Jobs by id; the sound of each audio file that was downloaded, by job, None if it cannot be decoded or had.

    `waiting` counts the messages of each queue that is not for dead letters. `temporary` names what is left in the
    folder for temporary files of all functions.
    """

    jobs: Mapping[str, SeenJob] = field(default_factory=dict)
    videos: Stored = field(default_factory=Stored)
    outputs: Stored = field(default_factory=Stored)
    sounds: Mapping[str, Sound | None] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    mails: Sequence[Mail] = ()
    temporary: frozenset[str] = frozenset()
