"""The build hook that adds what `soundlift up` serves to the wheel."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DEPLOYMENT = {"stack.yml": "soundlift/deployment/stack.yml", "functions": "soundlift/deployment/functions"}


class DeploymentHook(BuildHookInterface):
    """Copies of stack.yml and the functions in the wheel; an editable installation uses those of the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to a wheel that is not editable."""
        if version == "standard":
            build_data["force_include"].update(DEPLOYMENT)
