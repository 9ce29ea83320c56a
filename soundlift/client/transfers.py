"""Uploads and downloads in blocks, with a callback for their progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import urllib3

from soundlift.client.connection import connection_errors
from soundlift.client.errors import ConnectionFailed

BLOCK = 256 * 1024

Progress = Callable[[int, int | None], None]
"""A callback that gets the number of bytes transferred, and the total number if it is known."""


def blocks_of(file: BinaryIO, size: int, on_progress: Progress | None) -> Iterator[bytes]:
    """Yield `size` bytes of a file in blocks; raises ConnectionFailed if the file has become shorter."""
    sent = 0
    while sent < size:
        block = file.read(min(BLOCK, size - sent))
        if not block:
            raise ConnectionFailed(f"The file became shorter while it was being sent: {sent} of {size} bytes.")
        yield block
        sent += len(block)
        if on_progress:
            on_progress(sent, size)


def save_body(response: urllib3.BaseHTTPResponse, file: BinaryIO, on_progress: Progress | None) -> None:
    """Write a response's body to a file; urllib3 checks its length against Content-Length.

    Raises ConnectionFailed if the body is incomplete.
    """
    length = response.headers.get("Content-Length")
    received = 0
    with connection_errors():
        for block in response.stream(BLOCK):
            file.write(block)
            received += len(block)
            if on_progress:
                on_progress(received, int(length) if length else None)
