"""What API keys may be limited to. Each operation of the API requires one scope of a key, or accepts no key at all."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """A right that an API key has or lacks. An access token has all that its user has."""

    UPLOAD = "upload"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    DOWNLOAD = "download"
    HOOKS = "hooks"
    ADMIN = "admin"


MEANINGS = {
    Scope.UPLOAD: "Upload videos, and show or cancel these uploads.",
    Scope.JOBS_READ: "List and show jobs, wait for their changes, and read waveforms.",
    Scope.JOBS_WRITE: "Cancel, retry and delete jobs.",
    Scope.DOWNLOAD: "Download audio files, and make links to them.",
    Scope.HOOKS: "List, add, change and remove webhooks.",
    Scope.ADMIN: "Do with the jobs of all users what the other scopes allow, and list the users. Only for admins.",
}
