"""The resource limits of FFmpeg, in force before it reads its first byte."""

from __future__ import annotations

import resource

from soundlift.common.process.sandbox.sandbox import Limits
from soundlift.common.settings import Settings

SECONDS_TO_DIE = 5
BYTES_ABOVE_OUTPUT = 2**20
MAX_OPEN_FILES = 256  # each connection to the range server takes a thread there


def resource_limits(settings: Settings) -> Limits:
    """Return the limits of CPU time, memory, file size, open files and core dumps.

    Only Linux has all of them. On other systems, only wall-clock time and the size of the output are limited.
    """
    seconds, size = settings.max_conversion_seconds, settings.max_audio_bytes + BYTES_ABOVE_OUTPUT
    return {
        resource.RLIMIT_CPU: (seconds, seconds + SECONDS_TO_DIE),
        resource.RLIMIT_AS: (settings.max_memory_bytes, settings.max_memory_bytes),
        resource.RLIMIT_FSIZE: (size, size),
        resource.RLIMIT_NOFILE: (MAX_OPEN_FILES, MAX_OPEN_FILES),
        resource.RLIMIT_CORE: (0, 0),
    }
