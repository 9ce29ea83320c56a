"""Values in the query of a request."""

from __future__ import annotations

import re

from flask import Request

from soundlift.common.errors import BadRequest

NUMBER = re.compile(r"[0-9]{1,9}")


def whole_number(request: Request, name: str, *, default: int, highest: int) -> int:
    """Return a number of the query, `highest` if it is larger; raises BadRequest."""
    text = request.args.get(name, str(default))
    if not NUMBER.fullmatch(text):
        raise BadRequest(f"{name} must be a whole number from 0 to {highest}.")
    return min(int(text), highest)
