"""What a client announces of a video before it sends it to the media store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request

from soundlift.common.errors import BadRequest, TooLarge
from soundlift.common.file_names import clean_name
from soundlift.common.jobs.limits import Limits

from ..content_type import checked_type
from ..json_options import option_texts

MAX_BODY_BYTES = 64 * 1024
MAX_PART_NUMBERS = 100  # in one request
LARGEST_OBJECT = 5 * 2**40  # of S3
EXPECTED = 'The body must be a JSON object: {"name": "a.mp4", "size": BYTES, "type": "video/mp4", "options": {…}}.'


@dataclass(frozen=True)
class Announcement:
    """A video of `size` bytes that is to be sent, and the options of its upload as pairs of name and value."""

    name: str
    size: int
    content_type: str
    options: list[tuple[str, str]]


def read_announcement(request: Request, limits: Limits) -> Announcement:
    """Return what the body of a request announces.

    Raises BadRequest, BadOption for an option that is not a text, a number or a boolean value, TooLarge, or
    UnsupportedMedia for a type that holds no single file.
    """
    sent = _json_object(request)
    name, size, media_type = sent.get("name", "video"), sent.get("size"), sent.get("type")
    if not isinstance(name, str) or not isinstance(media_type, str | None):
        raise BadRequest(EXPECTED)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadRequest("size must be the number of bytes of the video.")
    if size == 0:
        raise BadRequest("The file is empty; choose another one.")
    largest = min(limits.largest_upload, LARGEST_OBJECT)
    if size > largest:
        raise TooLarge(f"A video may have at most {largest} bytes.")
    options = sent.get("options", {})
    if not isinstance(options, dict):
        raise BadRequest(EXPECTED)
    return Announcement(clean_name(name), size, checked_type(media_type), option_texts(options))


def read_part_numbers(request: Request, part_count: int) -> list[int]:
    """Return the numbers in the body {"parts": [1, 2]}, each once; raises BadRequest."""
    numbers = _json_object(request).get("parts")
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= MAX_PART_NUMBERS:
        raise BadRequest(f'The body must be a JSON object with 1 to {MAX_PART_NUMBERS} numbers: {{"parts": [1, 2]}}.')
    if not all(type(each) is int and 1 <= each <= part_count for each in numbers):
        raise BadRequest(f"parts must be numbers from 1 to {part_count}.")
    return list(dict.fromkeys(numbers))


def _json_object(request: Request) -> Mapping[str, Any]:
    """Return the body, which counts as JSON whatever its type says: only a token in a header authorizes it."""
    sent = request.get_json(force=True, silent=True)
    if not isinstance(sent, dict):
        raise BadRequest("The body must be a JSON object.")
    return sent
