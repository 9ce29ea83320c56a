"""Sends one upload in its way, and records each request and its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from soundlift.client import ApiError, Client
from soundlift.client.errors import ClientError
from tests.chaos.clips.clips import Clip
from tests.chaos.history import History
from tests.chaos.users.direct import DirectSending
from tests.chaos.users.plan import UploadPlan, Way
from tests.chaos.users.requests import BOUNDARY, Answer, Body, form_body, json_body, raw_body, request, with_query
from tests.chaos.users.resuming import ResumableSending

MAX_REQUESTS = 8  # of one upload with a key
PAUSE_SECONDS = 1.0
AGAIN = (None, 401, 408, 409, 429, 500, 502, 503, 504)  # without an answer, or with one that may change


@dataclass(frozen=True)
class Sender:
    """The requests of one user; `token` returns an access token, a new one if asked for.

    `source` is the address of a server that has the clips, by the names of their files.
    """

    url: str
    source: str
    user: str
    client: Client
    token: Callable[[bool], str | None]
    history: History
    is_stopping: Callable[[], bool]

    def send(self, plan: UploadPlan, clip: Clip) -> str | None:
        """Send an upload, and return its job if the user learns of one."""
        for number in range(1, (MAX_REQUESTS if plan.way.is_keyed else 1) + 1):
            answer = self._send_once(plan, clip, number)
            if answer.status not in AGAIN or (number > 1 and self.is_stopping()):
                break
            if answer.status == 401:
                self.token(True)
            if plan.way.is_keyed:
                time.sleep(PAUSE_SECONDS)
        return answer.job if answer.status in (200, 202) else None

    def _send_once(self, plan: UploadPlan, clip: Clip, number: int) -> Answer:
        name = f"{plan.name}{clip.path.suffix}"
        key = "the client's own" if plan.way == Way.CLIENT else plan.key
        about = {"upload": plan.name, "request": number}
        self.history.record(
            "upload", **about, user=self.user, clip=clip.number, file_name=name, key=key, way=plan.way,
            options=plan.options_for(clip.kind),
        )  # fmt: skip
        answer = self._answer(plan, clip, name)
        self.history.record("response", **about, job=answer.job, **answer.facts)
        return answer

    def _answer(self, plan: UploadPlan, clip: Clip, name: str) -> Answer:
        if plan.way == Way.CLIENT:
            return self._by_client(plan, clip, name)
        if plan.way.is_resumable:
            return ResumableSending(self._ask, self.history, plan, clip, name, self.is_stopping).send()
        if plan.way.is_import:
            return self._import(plan, clip, name)
        if plan.way == Way.DIRECT:
            answer = DirectSending(self._ask, self.history, plan, clip, name).send()
            if answer.code != "direct_unavailable":
                return answer
            plan = replace(plan, way=Way.KEYED_RAW)
        return self._raw(plan, clip, name)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None) -> Answer:
        """Send one request that is signed in; after a 401, the next one has a new token."""
        signed = {"Authorization": f"Bearer {self.token(False)}", **headers}
        answer = request(self.url, method, path, signed, body)
        if answer.status == 401:
            self.token(True)
        return answer

    def _import(self, plan: UploadPlan, clip: Clip, name: str) -> Answer:
        headers = {"Content-Type": "application/json", **plan.key_header}
        document = {"url": f"{self.source}/{clip.path.name}?upload={plan.name}", "name": name}
        return self._ask("POST", with_query("/upload", plan.options_for(clip.kind)), headers, json_body(document))

    def _by_client(self, plan: UploadPlan, clip: Clip, name: str) -> Answer:
        given = plan.options_for(clip.kind)
        options = {field: value for field, value in given.items() if not field.startswith("tag.")}
        tags = {field.removeprefix("tag."): value for field, value in given.items() if field.startswith("tag.")}
        try:
            job = self.client.upload(clip.path, name, **options, **({"tag": tags} if tags else {}))  # type: ignore[arg-type]
        except ApiError as error:
            return Answer(error.status, {"code": error.code}, error.detail)
        except (ClientError, OSError) as error:
            return Answer(None, error=f"{type(error).__name__}: {error}"[:200])
        return Answer(202, {"job_id": job.id})

    def _raw(self, plan: UploadPlan, clip: Clip, name: str) -> Answer:
        options = plan.options_for(clip.kind)
        headers = {"Authorization": f"Bearer {self.token(False)}", **plan.key_header}
        if plan.way in (Way.FORM, Way.KEYED_FORM):
            headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
            body = form_body(clip.path, name, clip.content_type, options)
            return request(self.url, "POST", "/upload", headers, body)
        headers |= {"Content-Type": clip.content_type, "X-Filename": quote(name)}
        return request(self.url, "POST", with_query("/upload", options), headers, _raw_body(plan, clip.path))


def _raw_body(plan: UploadPlan, file: Path) -> Body:
    chunked = plan.way in (Way.CHUNKED, Way.KEYED_CHUNKED)
    return raw_body(file, chunked=chunked, share=plan.sent_share if plan.way == Way.ABORTED else None)
