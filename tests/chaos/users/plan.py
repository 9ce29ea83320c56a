"""What becomes of each upload of a run: the same for the same seed and number."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """A way to send a video; the keyed ones repeat it with the same Idempotency-Key until it is answered.

    The resumable ones speak tus, `POSTED` with no other method than POST; one that is `REMOVED` is deleted before its
    end. An import names the URL of the video. A direct upload sends it to the media store.
    """

    CLIENT = "client"
    RAW = "raw"
    FORM = "form"
    CHUNKED = "chunked"
    KEYED_RAW = "keyed raw"
    KEYED_FORM = "keyed form"
    KEYED_CHUNKED = "keyed chunked"
    ABORTED = "aborted"
    RESUMABLE = "resumable"
    KEYED_RESUMABLE = "keyed resumable"
    POSTED = "resumable by POST"
    REMOVED = "resumable, removed"
    IMPORT = "import"
    KEYED_IMPORT = "keyed import"
    DIRECT = "keyed direct"

    @property
    def is_keyed(self) -> bool:
        return self.value.startswith("keyed")

    @property
    def is_resumable(self) -> bool:
        return "resumable" in self.value

    @property
    def is_import(self) -> bool:
        return self.value.endswith("import")


class Then(StrEnum):
    """What the owner does with a job."""

    NOTHING = "nothing"
    DOWNLOAD = "download"
    CANCEL = "cancel"  # at once
    CANCEL_LATER = "cancel later"
    CANCEL_AND_RETRY = "cancel and retry"
    RETRY = "retry"  # once it has failed
    DELETE = "delete"  # once it has ended
    DELETE_AT_ONCE = "delete at once"


WAYS = {
    **{Way.CLIENT: 20, Way.RAW: 15, Way.FORM: 12, Way.CHUNKED: 8},
    **{Way.KEYED_RAW: 18, Way.KEYED_FORM: 10, Way.KEYED_CHUNKED: 7, Way.ABORTED: 10},
    **{Way.RESUMABLE: 14, Way.KEYED_RESUMABLE: 12, Way.POSTED: 6, Way.REMOVED: 6},
    **{Way.IMPORT: 9, Way.KEYED_IMPORT: 9, Way.DIRECT: 14},
}
THENS = {
    **{Then.NOTHING: 40, Then.DOWNLOAD: 26, Then.CANCEL: 6, Then.CANCEL_LATER: 5, Then.CANCEL_AND_RETRY: 6},
    **{Then.RETRY: 7, Then.DELETE: 6, Then.DELETE_AT_ONCE: 4},
}
# None of them changes the length or the tone.
OPTIONS: dict[str, tuple[dict[str, str], int]] = {
    "defaults": ({}, 50),
    "m4a": ({"format": "m4a"}, 8),
    "opus": ({"format": "opus"}, 8),
    "flac": ({"format": "flac"}, 6),
    "wav": ({"format": "wav"}, 6),
    "original": ({"format": "original"}, 6),
    "bitrate": ({"bitrate": "96k"}, 6),
    "mono": ({"channels": "1", "sample_rate": "44100"}, 5),
    "tags": ({"tag.title": "Chaos ♫", "tags": "strip", "cover": "drop"}, 5),
}


NO_ORIGINAL = ("transport-stream",)  # kinds of clips whose tracks no file format here holds as they are


@dataclass(frozen=True)
class UploadPlan:
    """One logical upload; `sent_share` is the part of the body that is sent before an abort or a removal."""

    name: str
    clip: int
    way: Way
    then: Then
    options: dict[str, str]
    key: str | None
    sent_share: float

    @property
    def key_header(self) -> dict[str, str]:
        """Return the header with the key, if the upload has one."""
        return {"Idempotency-Key": f'"{self.key}"'} if self.key else {}

    def options_for(self, kind: str) -> dict[str, str]:
        """Return the options for a kind of clip, which it must be possible to fulfil."""
        return {} if kind in NO_ORIGINAL and self.options.get("format") == "original" else self.options


def plan_upload(seed: int, number: int, clips: int) -> UploadPlan:
    """Return the plan of an upload of one of a number of clips."""
    choice = random.Random(f"{seed}/upload/{number}")
    way = choice.choices(list(WAYS), list(WAYS.values()))[0]
    then = choice.choices(list(THENS), list(THENS.values()))[0]
    options, _ = choice.choices(list(OPTIONS.values()), [weight for _, weight in OPTIONS.values()])[0]
    key = f"{choice.getrandbits(128):032x}" if way.is_keyed else None
    clip = number % clips if number < clips else choice.randrange(clips)
    return UploadPlan(f"u{number:05d}", clip, way, then, options, key, choice.random())
