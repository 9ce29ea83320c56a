"""Uploads as their clients saw them: what was sent, what was answered, and what the owner did to the job since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.history import Fact

FROM_A_PROXY = (502, 504)  # it does not know what the function did
ACTIONS = ("cancel", "retry", "delete")


@dataclass(frozen=True)
class Answer:
    """The answer to one request; `status` is None if none arrived."""

    status: int | None
    code: str | None
    job: str | None

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_lost(self) -> bool:
        """Return whether the request may have had an effect, although its client does not know of one."""
        return self.status is None or self.status in FROM_A_PROXY

    @property
    def is_uncertain(self) -> bool:
        """Return whether an action may have had an effect: unlike an upload, nothing undoes it after an error."""
        return self.status is None or self.status >= 500


@dataclass(frozen=True)
class Part:
    """The answer to one of several requests that send an upload, and the offset that it acknowledges, if it does."""

    id: str | None
    method: str
    offset: int | None
    status: int | None


@dataclass
class Upload:
    """One file that a user uploaded, possibly in several requests; with a key, all of them mean the same upload.

    `began` is in seconds since the start of the run. `states` are those in which the owner saw a job, each with its id;
    `downloads` are the digests of the audio files.
    """

    name: str
    user: str
    clip: int
    key: str | None
    file_name: str
    began: float
    way: str = ""
    requests: int = 0
    parts: list[Part] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    states: list[tuple[str, str]] = field(default_factory=list)
    downloads: set[str] = field(default_factory=set)
    actions: dict[str, list[Answer]] = field(default_factory=lambda: {action: [] for action in ACTIONS})

    @property
    def is_import(self) -> bool:
        return self.way.endswith("import")

    @property
    def statuses(self) -> dict[str, set[int | None]]:
        """Return the statuses of all answers, by what the requests were for."""
        answers = {"upload": self.answers, **self.actions}
        found = {what: {answer.status for answer in given} for what, given in answers.items()}
        return {**found, "a part": {part.status for part in self.parts}}

    @property
    def accepted_jobs(self) -> list[str]:
        """Return the job of each answer that accepted the upload, in their order."""
        return [answer.job for answer in self.answers if answer.is_accepted and answer.job]

    @property
    def lost_answers(self) -> int:
        """Return the number of requests that may have made a job unnoticed."""
        return self.requests - len(self.answers) + sum(answer.is_lost for answer in self.answers)

    def did(self, action: str) -> int:
        """Return how often the owner did something to the job, as far as the owner knows."""
        return sum(answer.is_accepted for answer in self.actions[action])

    def may_have_done(self, action: str) -> int:
        """Return how often the owner may have done something to the job.

        A function that does not know whether its transaction was committed answers with a 503.
        """
        return sum(answer.is_accepted or answer.is_uncertain for answer in self.actions[action])


def read_uploads(facts: Iterable[Fact]) -> dict[str, Upload]:
    """Return the uploads of a history by their names."""
    uploads: dict[str, Upload] = {}
    for fact in facts:
        match fact["kind"]:
            case "upload":
                _begun(uploads, fact).requests += 1
            case "part":
                part = Part(fact["id"], fact["method"], fact["offset"], fact["status"])
                uploads[fact["upload"]].parts.append(part)
            case "response":
                uploads[fact["upload"]].answers.append(_answer(fact))
            case "seen":
                uploads[fact["upload"]].states.append((fact["job"], fact["state"]))
            case "download" if fact.get("sha256"):
                uploads[fact["upload"]].downloads.add(fact["sha256"])
            case action if action in ACTIONS and fact.get("upload") in uploads:
                uploads[fact["upload"]].actions[action].append(_answer(fact))
    return uploads


def _begun(uploads: dict[str, Upload], fact: Fact) -> Upload:
    name = fact["upload"]
    new = Upload(name, fact["user"], fact["clip"], fact.get("key"), fact["file_name"], fact["at"], fact.get("way", ""))
    return uploads.setdefault(name, new)


def _answer(fact: Fact) -> Answer:
    return Answer(fact.get("status"), fact.get("code"), fact.get("job"))
