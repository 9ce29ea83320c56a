"""The documents match the code, and settings are read as documented."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from click import Group

from soundlift.cli.main import soundlift
from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(f"docs/{file.name}" for file in sorted((ROOT / "docs").glob("*.md")))]
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


def test_every_command_has_help_and_is_in_the_readme() -> None:
    for name, command in soundlift.commands.items():
        assert f"`soundlift {name}`" in README
        assert command.help
        for inner, subcommand in getattr(command, "commands", {}).items():
            assert isinstance(command, Group)
            assert f"`{inner}`" in README
            assert subcommand.help


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_a_document_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    for path in re.findall(r"`((?:functions|soundlift|tests|deploy|docs)/[\w./-]*)`", text):
        if "NAME" not in path:
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "example.org"),
        ("MAX_UPLOAD_BYTES", "4G"),
        ("LONG_POLLS", "0"),
        ("AUDIO_BITRATE", "9000k"),
        ("AUDIO_BITRATE", "192"),
        ("AUDIO_QUALITY", "10"),
        ("AUDIO_NORMALIZE", "true"),
        ("AUDIO_LOUDNESS", "16"),
        ("MAX_AUDIO_BITRATE", "100k"),
        ("MAX_SAMPLE_RATE", "96000"),
        ("JWT_SECRET", "too short"),
        ("DRAIN_SECONDS", "soon"),
        ("SUBSCRIBERS", "http://convert"),
        ("SUBSCRIBERS", "video=convert"),
        ("SUBSCRIBERS", "video=http://one,video=http://other"),
    ],
)
def test_a_malformed_setting_is_named_and_a_secret_is_not_shown(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"Setting {name}") as refused:
        Settings.from_environment({name: value})
    assert (value in refused.value.detail) == (name != "JWT_SECRET")


def test_a_secret_may_be_a_file_in_the_layout_of_either_platform(tmp_path: Path) -> None:
    secret = "a secret in a file, longer than 32 bytes"
    for file in (tmp_path / "openfaas" / "jwt-secret", tmp_path / "knative" / "jwt-secret" / "jwt-secret"):
        file.parent.mkdir(parents=True)
        file.write_text(secret + "\n")
        folder = file.relative_to(tmp_path).parts[0]
        assert Settings.from_environment({"SECRETS_FOLDER": str(tmp_path / folder)}).jwt_secret == secret


def test_variables_that_kubernetes_sets_for_a_service_called_mysql_are_ignored() -> None:
    settings = Settings.from_environment({"MYSQL_HOST": "mysql", "MYSQL_PORT": "tcp://10.0.0.1:3306"})
    assert settings.mysql_port == 3306
    with pytest.raises(SettingError, match="Setting MYSQL_PORT"):
        Settings.from_environment({"MYSQL_HOST": "mysql", "MYSQL_PORT": "10.0.0.1:3306"})


def test_the_longest_conversion_ends_before_a_stopping_server_aborts_it() -> None:
    from soundlift.common.web.gunicorn_config import graceful_timeout
    from soundlift.connector.__main__ import SECONDS_BEYOND_CONVERSION

    conversion = Settings().max_conversion_seconds
    assert conversion < graceful_timeout < conversion + SECONDS_BEYOND_CONVERSION
