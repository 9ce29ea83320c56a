"""Flask's JSON, restricted to RFC 8259."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider

from soundlift.common.json_text import read_json


class StrictJson(DefaultJSONProvider):
    """JSON without NaN and Infinity (RFC 8259, section 6); the members of an object keep their order."""

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return a document as JSON; raises ValueError for a number that JSON cannot represent."""
        return super().dumps(obj, allow_nan=False, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return the document that a client sent; raises ValueError if it is invalid."""
        return read_json(s)
