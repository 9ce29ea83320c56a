"""Sends one upload to the media store, by the URLs that `/upload/direct` returns."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.chaos.clips.clips import Clip
from tests.chaos.history import History
from tests.chaos.users.plan import UploadPlan
from tests.chaos.users.requests import Answer, json_body, part_body, request
from tests.chaos.users.resuming import Ask


@dataclass(frozen=True)
class DirectSending:
    """One attempt at a direct upload. With the same key, the next one continues the same upload."""

    ask: Ask
    history: History
    plan: UploadPlan
    clip: Clip
    name: str

    def send(self) -> Answer:
        """Announce the video, send its parts and complete it; return the last answer, or none if a part was not sent.

        After an attempt that was not answered with success, all parts are sent again.
        """
        size = self.clip.path.stat().st_size
        document = {"name": self.name, "size": size, "type": self.clip.content_type}
        document |= {"options": self.plan.options_for(self.clip.kind)}
        begun = self._record("begin", self.ask("POST", "/upload/direct", self.plan.key_header, json_body(document)))
        if begun.status != 201:
            return begun
        path, offset = f"/upload/direct/{begun.document['job_id']}", 0
        for part in begun.document["parts"]:
            sent = self._record("PUT", self._put(part["url"], offset, part["size"]))
            if sent.status != 200:
                return Answer(None, error=f"the store answered {sent.status}: {sent.error}")
            offset += part["size"]
        return self._record("complete", self.ask("POST", f"{path}/complete", {"Content-Length": "0"}))

    def _put(self, url: str, offset: int, size: int) -> Answer:
        address = urlsplit(url)
        path = f"{address.path}?{address.query}"
        return request(url, "PUT", path, {}, part_body(self.clip.path, offset, size))

    def _record(self, method: str, answer: Answer) -> Answer:
        job = answer.document.get("job_id")
        self.history.record("part", upload=self.plan.name, id=job, method=method, offset=None, **answer.facts)
        return answer
