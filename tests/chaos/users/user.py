"""A user, who uploads videos and does what people do with the jobs."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from soundlift.client import Client
from soundlift.client.errors import ClientError
from tests.chaos.clips.clips import Clip
from tests.chaos.history import History
from tests.chaos.users.plan import Then, UploadPlan, plan_upload
from tests.chaos.users.receiver import WebhookEndpoint
from tests.chaos.users.requests import Answer, request
from tests.chaos.users.sending import Sender
from tests.factories.accounts import PASSWORD

MAX_PENDING = 6  # jobs of one user that have not ended: the next upload waits for one of them
POLL_SECONDS = 0.3
RETRY_SECONDS = 20.0  # for which the client repeats a request
SCOPES = ("upload", "jobs:read", "jobs:write", "download")


@dataclass
class Pending:
    """A job that its owner has not finished with; `looks` is the number of times that they looked at it."""

    plan: UploadPlan
    job: str
    state: str = ""
    looks: int = 0
    has_retried: bool = False


@dataclass
class User:
    """The owner of some of a run's uploads, in a thread of their own.

    With `has_key`, their programs have an API key instead of a password. `source` has the clips for imports.
    """

    url: str
    source: str
    webhooks: WebhookEndpoint
    email: str
    seed: int
    clips: Sequence[Clip]
    numbers: Iterable[int]
    history: History
    stopping: threading.Event
    has_key: bool = False
    pending: list[Pending] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Add a webhook and make the key, before any fault."""
        self._client = Client(self.url, email=self.email, password=PASSWORD, retry_seconds=RETRY_SECONDS)
        self.webhooks.secrets[self.email] = self._client.webhooks.add(self.webhooks.url_of(self.email)).secret or ""
        self.history.record("endpoint", user=self.email)
        self._token: str | None = None
        self._key = self._client.keys.make("chaos", SCOPES).text if self.has_key else None
        if self._key:
            self._client = Client(self.url, api_key=self._key, retry_seconds=RETRY_SECONDS)
        self.history.record("signed in", user=self.email, way="key" if self._key else "token")
        self._sender = Sender(
            self.url, self.source, self.email, self._client, self.token, self.history, self.stopping.is_set
        )
        self.thread = threading.Thread(target=self._run, name=self.email, daemon=True)

    def token(self, renew: bool) -> str | None:
        """Return the key, an access token, or None if no sign-in succeeds."""
        if self._key:
            return self._key
        if renew or self._token is None:
            try:
                self._token = self._client.login()
            except ClientError:
                self._token = None
        return self._token

    def _run(self) -> None:
        for number in self.numbers:
            if self.stopping.is_set():
                break
            plan = plan_upload(self.seed, number, len(self.clips))
            if job := self._sender.send(plan, self.clips[plan.clip]):
                self._begin(Pending(plan, job))
            self._follow(MAX_PENDING)
        self._follow(0)
        self._client.close()

    def _begin(self, pending: Pending) -> None:
        if pending.plan.then in (Then.CANCEL, Then.CANCEL_AND_RETRY):
            self._act("cancel", pending, "DELETE", "?only=cancel")
        elif pending.plan.then == Then.DELETE_AT_ONCE:
            self._delete(pending)
        self.pending.append(pending)

    def _follow(self, most: int) -> None:
        """Look at the pending jobs, and again until at most a number of them is left."""
        while True:
            self.pending = [pending for pending in self.pending if not self._look_at(pending)]
            if len(self.pending) <= most or self.stopping.is_set():
                return
            time.sleep(POLL_SECONDS)

    def _look_at(self, pending: Pending) -> bool:
        """Look at a job, do what its owner does in its state, and return whether they are finished with it."""
        answer = self._request("GET", f"/jobs/{pending.job}")
        if answer.status == 404:
            return True
        if answer.status != 200:
            return False
        state = answer.document["state"]
        if state != pending.state:
            self.history.record("seen", upload=pending.plan.name, job=pending.job, state=state)
        pending.state = state
        pending.looks += 1
        if state not in ("ready", "failed", "cancelled", "expired"):
            if pending.plan.then == Then.CANCEL_LATER and (state == "converting" or pending.looks > 1):
                self._act("cancel", pending, "DELETE", "?only=cancel")
            return False
        return self._finish(pending, state)

    def _finish(self, pending: Pending, state: str) -> bool:
        """Do what the owner does with a job that has ended, and return whether that was the last thing."""
        match pending.plan.then, state:
            case Then.DOWNLOAD, "ready":
                return self._download(pending)
            case ((Then.DELETE | Then.DELETE_AT_ONCE), _):
                return self._delete(pending).status in (204, 404)
            case (Then.RETRY, "failed") | (Then.CANCEL_AND_RETRY, "cancelled") if not pending.has_retried:
                answer = self._act("retry", pending, "POST", "/retry")
                pending.has_retried = answer.status is not None and answer.status < 500
                return False
        return True

    def _delete(self, pending: Pending) -> Answer:
        """Send DELETE, which cancels a job that has not ended, and deletes one that has."""
        answer = self._request("DELETE", f"/jobs/{pending.job}")
        kind = "cancel" if answer.status == 200 else "delete"
        self._record(kind, pending, answer)
        return answer

    def _act(self, kind: str, pending: Pending, method: str, rest: str) -> Answer:
        answer = self._request(method, f"/jobs/{pending.job}{rest}")
        self._record(kind, pending, answer)
        return answer

    def _download(self, pending: Pending) -> bool:
        answer = self._request("GET", f"/download?job={pending.job}", keep=True)
        complete = answer.status == 200
        digest = hashlib.sha256(answer.body).hexdigest() if complete else None
        self._record("download", pending, answer, bytes=len(answer.body) if complete else None, sha256=digest)
        return complete

    def _request(self, method: str, path: str, *, keep: bool = False) -> Answer:
        """Send a request that is signed in, again if the token has expired."""
        for renew in (False, True):
            headers = {"Authorization": f"Bearer {self.token(renew)}"}
            answer = request(self.url, method, path, headers, keep=keep)
            if answer.status != 401:
                break
        return answer

    def _record(self, kind: str, pending: Pending, answer: Answer, **values: object) -> None:
        about = {"upload": pending.plan.name, "job": pending.job, "user": self.email}
        self.history.record(kind, **about, **answer.facts, **values)
