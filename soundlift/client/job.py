"""Jobs as the server describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A message to the owner of a job that has ended; `error` is the reason if it could not be delivered."""

    channel: str
    delivered_at: datetime | None
    error: str | None

    @property
    def pending(self) -> bool:
        """Return whether the message has been neither delivered nor given up."""
        return self.delivered_at is None and self.error is None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a notification of a job's JSON document."""
        delivered_at = document["delivered_at"]
        return cls(
            channel=document["channel"],
            delivered_at=datetime.fromisoformat(delivered_at) if delivered_at else None,
            error=document["error"],
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A video and its conversion; sizes in bytes, `length` in seconds of sound, `percent` of the conversion.

    `missing_seconds` of the sound could not be read; None means unknown. `options` are those of the upload, with the
    server's defaults, under the names that Client.upload accepts. `notifications` is empty until the job has ended.
    """

    id: str
    state: str
    percent: int
    file_name: str
    username: str
    video_bytes: int | None
    mp3_bytes: int | None
    length: float | None
    missing_seconds: float | None
    options: Mapping[str, Any]
    error_code: str | None
    error: str | None
    created_at: datetime
    notifications: Sequence[Notification]

    @property
    def ready(self) -> bool:
        """Return whether the MP3 can be downloaded."""
        return self.state == "ready"

    @property
    def ended(self) -> bool:
        """Return whether the state is final, apart from expiry."""
        return self.state in ("ready", "failed", "cancelled", "expired")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a job's JSON document; fields that an older server does not send are None or empty."""
        error = document["error"] or {}
        parsed = {
            "options": document.get("options") or {},
            "id": document["job_id"],
            "error_code": error.get("code"),
            "error": error.get("detail"),
            "created_at": datetime.fromisoformat(document["created_at"]),
            "notifications": [Notification.of(entry) for entry in document.get("notifications") or []],
        }
        return cls(**{**{field.name: document.get(field.name) for field in fields(cls)}, **parsed})
