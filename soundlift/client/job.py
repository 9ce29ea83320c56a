"""Jobs as the server describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from soundlift.client.errors import ConnectionFailed


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A message to the owner of a job that has ended; `error` is the reason if it could not be delivered.

    `webhook` is the id of the webhook that it goes to, if that is its channel.
    """

    channel: str
    delivered_at: datetime | None
    error: str | None
    webhook: str | None = None

    @property
    def pending(self) -> bool:
        """Return whether the message has been neither delivered nor given up."""
        return self.delivered_at is None and self.error is None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a notification of a job's JSON document."""
        return cls(
            channel=document["channel"],
            delivered_at=_time(document["delivered_at"]),
            error=document["error"],
            webhook=document.get("webhook"),
        )


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The part of the source that a copied track is, in seconds; most codecs can be cut only between packets."""

    start: float
    end: float

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Self | None:
        """Parse the cut of a job's JSON document; None if the track was not cut out of a longer one."""
        return cls(start=float(document["start"]), end=float(document["end"])) if document else None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A video and its conversion; sizes in bytes, `length` in seconds of sound, `percent` of an import or a conversion.

    `source_url` is where the video was imported from, without the query; None for an upload. `missing_seconds` of the
    sound could not be read; None means unknown. `format` is the one that was asked for, which may be `original`, until
    the job is ready; then it is that of the audio file. Once ready, `codec` is FFmpeg's name of the codec, `bitrate`
    the average in kbit/s, `sample_rate` is in Hz; `copied` is whether the track was not encoded again, and `cut` the
    part of the source that was copied, if it was not all. `options` are those of the upload, with the server's
    defaults, under the names of the HTTP API. `notifications` is empty until the job has ended. `expires_at` is None
    while it is unknown. `links` are addresses, among them `page`. Of what an older server does not send, fields are
    None, and links are missing.
    """

    id: str
    state: str
    percent: int
    file_name: str
    source_url: str | None
    username: str
    video_bytes: int | None
    mp3_bytes: int | None
    length: float | None
    missing_seconds: float | None
    format: str | None
    codec: str | None
    bitrate: int | None
    sample_rate: int | None
    channels: int | None
    copied: bool | None
    cut: Cut | None
    options: Mapping[str, Any]
    error_code: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None
    notifications: Sequence[Notification]
    links: Mapping[str, str]

    @property
    def ready(self) -> bool:
        """Return whether the audio file can be downloaded."""
        return self.state == "ready"

    @property
    def ended(self) -> bool:
        """Return whether the state is final, apart from expiry."""
        return self.state in ("ready", "failed", "cancelled", "expired")

    @property
    def output_name(self) -> str:
        """Return the name of the audio file: the video's, with its suffix replaced.

        It has no suffix while the format of an original track is not known. The name comes from whoever uploaded the
        video: it may contain any character, even separators of folders.
        """
        stem, dot, suffix = self.file_name.rpartition(".")
        name = stem if dot and stem and len(suffix) <= 5 else self.file_name
        return name if self.format == "original" else f"{name}.{self.format or 'mp3'}"

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a job's JSON document; fields that an older server does not send are None or empty.

        Raises ConnectionFailed if the document is not one of a job.
        """
        try:
            return cls._of(document)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ConnectionFailed("The server's answer does not describe a job. Is it Soundlift?") from None

    @classmethod
    def _of(cls, document: Mapping[str, Any]) -> Self:
        error = document["error"] or {}
        parsed: dict[str, Any] = {
            "options": document.get("options") or {},
            "id": str(document["job_id"]),
            "state": str(document["state"]),
            "percent": int(document.get("percent") or 0),
            "file_name": str(document.get("file_name") or ""),
            "error_code": error.get("code"),
            "error": error.get("detail"),
            "created_at": datetime.fromisoformat(document["created_at"]),
            **{name: _time(document.get(name)) for name in ("updated_at", "ended_at", "expires_at")},
            "cut": Cut.of(document.get("cut")),
            "notifications": [Notification.of(entry) for entry in document.get("notifications") or []],
            "links": {name: str(link) for name, link in (document.get("links") or {}).items()},
        }
        given: dict[str, Any] = {field.name: document.get(field.name) for field in fields(cls)}
        return cls(**given | parsed)


@dataclass(frozen=True, kw_only=True)
class Link:
    """The address of a download that needs no sign-in, and the time until which it works."""

    url: str
    expires_at: datetime | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Parse a link's JSON document; raises ConnectionFailed if it is not one."""
        try:
            return cls(url=str(document["url"]), expires_at=_time(document.get("expires_at")))
        except (KeyError, TypeError, ValueError):
            raise ConnectionFailed("The server's answer does not describe a link. Is it Soundlift?") from None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
