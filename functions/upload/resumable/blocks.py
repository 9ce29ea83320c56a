"""The body of a request in blocks, of which none waits for long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import IO

MIN_BYTES = 4 * 2**10
MAX_BYTES = 2**20  # the maximum that gunicorn receives at a time
FIRST_BYTES = 64 * 2**10
FAST_SECONDS = 0.05
SLOW_SECONDS = 0.5


def read_blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield blocks of a size that suits the speed at which they arrive.

    What has arrived of a block is lost if the connection fails before the rest does. From a slow client, that is
    little; from a fast one, large blocks cost the least.
    """
    size = FIRST_BYTES
    while True:
        began = time.monotonic()
        if not (block := stream.read(size)):
            return
        seconds = time.monotonic() - began
        if seconds < FAST_SECONDS:
            size = min(2 * size, MAX_BYTES)
        elif seconds > SLOW_SECONDS:
            size = max(size // 2, MIN_BYTES)
        yield block
