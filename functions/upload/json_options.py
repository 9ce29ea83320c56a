"""The options of an upload in a JSON body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundlift.common.errors import BadOption
from soundlift.common.printable import escaped


def option_texts(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return options as a query or a form would have them; raises BadOption for a value that is no single one."""
    texts = []
    for name, value in options.items():
        if not isinstance(value, str | int | float):
            raise BadOption(f"{escaped(name[:60])} must be a text, a number, true or false.")
        texts.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return texts
