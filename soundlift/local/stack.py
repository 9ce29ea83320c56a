"""Reads stack.yml, the one list of functions, which faas-cli deploys and the local gateway serves."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from soundlift.common.errors import SettingError

VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class StackFunction:
    """Is one entry of stack.yml, as far as one machine needs it."""

    name: str
    handler: str
    image: str
    secrets: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Return the module whose `app` serves this function: handler.py in its folder."""
        return ".".join((*PurePosixPath(self.handler).parts, "handler"))

    @property
    def is_internal(self) -> bool:
        """Tell whether events or the clock call this function, and no client does: it has a topic."""
        return "topic" in self.annotations


def read_stack(file: Path) -> list[StackFunction]:
    """Return the functions of a stack.yml; raises SettingError where it is none."""
    try:
        document = yaml.safe_load(substitute(file.read_text(encoding="utf-8"), os.environ))
        return [_function(name, entry) for name, entry in document["functions"].items()]
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise _unusable(file, f"it is no list of functions ({what})") from None


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Fill in ${NAME} and ${NAME:-default} as faas-cli does: an empty variable counts as unset."""
    return VARIABLE.sub(lambda match: environ.get(match[1]) or match[2] or "", text)


def _function(name: str, entry: dict[str, Any]) -> StackFunction:
    return StackFunction(
        name=name,
        handler=entry["handler"],
        image=entry["image"],
        secrets=entry.get("secrets", []),
        annotations=entry.get("annotations", {}),
        labels=entry.get("labels", {}),
    )


def _unusable(file: Path, why: str) -> SettingError:
    return SettingError(f"Setting STACK_FILE: {file} is not usable: {why}.", setting="STACK_FILE")
