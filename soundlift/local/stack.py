"""The functions listed in stack.yml, which faas-cli deploys and the local gateway serves."""

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
    """An entry of stack.yml, with the fields that the local gateway and the image build use."""

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
        """Return whether the function has a topic, so that only events or cron may call it, and no client."""
        return "topic" in self.annotations


def read_stack(file: Path) -> list[StackFunction]:
    """Return the functions of a stack.yml; raises SettingError if the file is missing or invalid."""
    try:
        document = yaml.safe_load(substitute(file.read_text(encoding="utf-8"), os.environ))
        return [_function(name, entry) for name, entry in document["functions"].items()]
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise _unusable(file, f"it does not list functions ({cause})") from None


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Substitute ${NAME} and ${NAME:-default} like faas-cli, which treats an empty variable as unset."""
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


def _unusable(file: Path, cause: str) -> SettingError:
    return SettingError(f"Setting STACK_FILE: {file} cannot be used: {cause}.", setting="STACK_FILE")
