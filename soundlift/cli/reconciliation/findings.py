"""What `soundlift reconcile` finds, and its text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from soundlift.common.sizes import size_text


class Action(StrEnum):
    """What is done about a finding, or would be in a dry run; the values are part of the output of --json."""

    FAIL_WITHOUT_VIDEO = "fail_without_video"
    FAIL_WITHOUT_AUDIO = "fail_without_audio"
    CONVERT_AGAIN = "convert_again"
    DELETE_FILE = "delete_file"
    KEEP_YOUNG_FILE = "keep_young_file"
    KEEP_FOREIGN_FILE = "keep_foreign_file"


KEPT = (Action.KEEP_YOUNG_FILE, Action.KEEP_FOREIGN_FILE)
# What was found, then the action as done, and as it would be done.
TEXTS = {
    Action.FAIL_WITHOUT_VIDEO: ("its video is missing", "failed (video_lost)", "would fail (video_lost)"),
    Action.FAIL_WITHOUT_AUDIO: (
        "its audio file and its video are missing",
        "failed (audio_lost)",
        "would fail (audio_lost)",
    ),
    Action.CONVERT_AGAIN: ("its audio file is missing", "queued, to be converted again", "would be converted again"),
    Action.DELETE_FILE: ("no job names this file", "deleted", "would be deleted"),
    Action.KEEP_YOUNG_FILE: ("no job names this file", "kept, it is too young", "kept, it is too young"),
    Action.KEEP_FOREIGN_FILE: (
        "another program stored this file",
        "kept, delete it yourself",
        "kept, delete it yourself",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A job whose files are missing, or a file that no job names, with the action that was taken if `done`."""

    action: Action
    done: bool
    job: str | None = None
    state: str | None = None
    file: str | None = None
    size: int | None = None

    @property
    def line(self) -> str:
        """Return the finding as a line."""
        found, done, planned = TEXTS[self.action]
        subject = f"job {self.job} ({self.state})" if self.job else f"{self.file} ({size_text(self.size or 0)})"
        return f"{subject}: {found}: {done if self.done else planned}"

    @property
    def document(self) -> dict[str, object]:
        """Return the finding as a JSON object."""
        values = {"job": self.job, "state": self.state, "file": self.file, "bytes": self.size}
        known = {name: value for name, value in values.items() if value is not None}
        return {"action": self.action, "done": self.done, **known}
