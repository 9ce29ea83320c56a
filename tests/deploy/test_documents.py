"""The documents match the code."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from click import Context, Group

from soundlift.cli.main import soundlift

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(f"docs/{file.name}" for file in sorted((ROOT / "docs").glob("*.md"))),
]
README = (ROOT / "README.md").read_text()


def load_script(script: str) -> ModuleType:
    """Import a script in docs/ as a module."""
    spec = spec_from_file_location(Path(script).stem, ROOT / "docs" / script)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # as dataclasses require
    spec.loader.exec_module(module)
    return module


def test_the_settings_page_is_the_output_of_its_script() -> None:
    module = load_script("settings.py")
    assert module.FILE.read_text() == module.settings_page()


def test_internal_settings_are_not_documented() -> None:
    assert "LIFELINE_FD" not in (ROOT / "docs" / "settings.md").read_text()


def test_the_flow_pictures_are_the_output_of_their_script() -> None:
    module = load_script("pictures/flow.py")
    for name, theme in module.THEMES.items():
        assert (ROOT / "docs" / "pictures" / f"flow-{name}.svg").read_text() == module.picture(theme)


def test_the_reference_of_the_command_is_the_output_of_its_script() -> None:
    module = load_script("cli.py")
    assert module.FILE.read_text() == module.command_page()


def test_every_command_has_help() -> None:
    context = Context(soundlift)
    for command in (soundlift.get_command(context, name) for name in soundlift.list_commands(context)):
        for one in command.commands.values() if isinstance(command, Group) else [command]:
            assert one.help, one.name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_a_document_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    for path in re.findall(r"`((?:functions|soundlift|tests|deploy|docs)/[\w./-]*)`", text):
        if "NAME" not in path:
            assert (ROOT / path).exists(), path
