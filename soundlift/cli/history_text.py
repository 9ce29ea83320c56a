"""The history of a job as text for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime

from soundlift.common.jobs.history_entry import HistoryEntry, Step
from soundlift.common.printable import escaped
from soundlift.local.terminal import wrap

CLAIM_DIGITS = 6  # enough to tell the workers of one job apart
TEXTS: dict[str, str] = {
    Step.RECEIVING: "upload began",
    Step.IMPORTING: "import requested",
    Step.IMPORT_CLAIMED: "import began",
    Step.IMPORT_RELEASED: "import postponed",
    Step.IMPORT_FAILED: "import failed",
    Step.ADOPTED: "video of another program queued",
    Step.QUEUED: "upload complete, queued",
    Step.UPLOAD_FAILED: "upload failed",
    Step.UPLOAD_INTERRUPTED: "upload interrupted",
    Step.UPLOAD_REPLACED: "upload replaced by one with the same key",
    Step.UPLOAD_CANCELLED: "upload cancelled",
    Step.CLAIMED: "conversion began",
    Step.RELEASED: "conversion postponed, queued",
    Step.READY: "ready",
    Step.FAILED: "failed",
    Step.GAVE_UP: "given up",
    Step.VIDEO_LOST: "video lost from the store",
    Step.AUDIO_LOST: "audio file lost from the store",
    Step.CANCELLED: "cancelled",
    Step.RETRIED: "retried, queued",
    Step.EXPIRED: "expired",
    Step.FILES_DELETED: "files deleted",
    Step.DELETED: "deleted",
    Step.EVENT_RESENT: "event sent again",
    Step.EVENT_UNSENT: "event could not be sent",
    Step.MAIL_CLAIMED: "sending of the mail began",
    Step.MAIL_RELEASED: "mail postponed",
    Step.MAIL_DELIVERED: "mail sent",
    Step.MAIL_GAVE_UP: "mail given up",
    Step.WEBHOOK_RELEASED: "webhook postponed",
    Step.WEBHOOK_DELIVERED: "webhook delivered",
    Step.WEBHOOK_GAVE_UP: "webhook given up",
    Step.OMITTED: "… further steps, which are not kept …",
}
CONVERSION_ENDS = (Step.RELEASED, Step.READY, Step.FAILED, Step.GAVE_UP, Step.CANCELLED, Step.VIDEO_LOST, Step.OMITTED)


def history_lines(entries: Sequence[HistoryEntry]) -> Iterator[str]:
    """Yield a line for each step under one for each day, in this machine's time zone; a terminal may need several."""
    day, claimed = None, False
    for entry in entries:
        at = datetime.fromtimestamp(entry.at).astimezone()
        if at.date() != day:
            day = at.date()
            yield f"{day:%Y-%m-%d} {at:%Z}"
        lapsed = claimed and entry.step == Step.CLAIMED
        claimed = entry.step == Step.CLAIMED or (claimed and entry.step not in CONVERSION_ENDS)
        text = f"{_text(entry)}{'; the worker before it died' if lapsed else ''}"
        yield wrap(text, sys.stdout, prefix=f"{at:%H:%M:%S}.{at.microsecond // 100_000}  ", indent=" " * 12)


def _text(entry: HistoryEntry) -> str:
    """Return what happened, in which attempt, under which claim, and why."""
    text = TEXTS.get(entry.step, entry.step)
    attempt = f", attempt {entry.attempt}" if entry.attempt is not None else ""
    claim = f" [{entry.claim[:CLAIM_DIGITS]}]" if entry.claim else ""
    return escaped(f"{text}{attempt}{claim}{f': {entry.detail}' if entry.detail else ''}")
