"""Settings are read from variables and secret files, and malformed ones are reported by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings
from soundlift.common.web.gunicorn_config import graceful_timeout
from soundlift.connector.__main__ import SECONDS_BEYOND_CONVERSION


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "example.org"),
        ("PUBLIC_URL", "http://[::1"),
        ("PUBLIC_URL", "http://example.org:99999"),
        ("MAX_UPLOAD_BYTES", "4G"),
        ("LONG_POLLS", "0"),
        *(("PASSWORD_MEMORY_KIB", "7167"), ("PASSWORD_MEMORY_KIB", "262145"), ("PASSWORD_PASSES", "17")),
        *(("TRUSTED_PROXIES", "10.0.0.1/8"), ("TRUSTED_PROXIES", "gateway"), ("SIGN_IN_FAILURES", "-1")),
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


def test_a_secret_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "jwt-secret").write_bytes(b"\xff" * 40)
    with pytest.raises(SettingError, match=r"Setting JWT_SECRET: the secret file .* cannot be read: it is not UTF-8"):
        Settings.from_environment({"SECRETS_FOLDER": str(tmp_path)})


def test_a_secret_may_be_a_file_in_the_layout_of_either_platform(tmp_path: Path) -> None:
    secret = "a secret in a file, longer than 32 bytes"
    for file in (tmp_path / "openfaas" / "jwt-secret", tmp_path / "knative" / "jwt-secret" / "jwt-secret"):
        file.parent.mkdir(parents=True)
        file.write_text(secret + "\n")
        folder = file.relative_to(tmp_path).parts[0]
        assert Settings.from_environment({"SECRETS_FOLDER": str(tmp_path / folder)}).jwt_secret == (secret,)


def test_variables_that_kubernetes_sets_for_a_service_called_mysql_are_ignored() -> None:
    settings = Settings.from_environment({"MYSQL_HOST": "mysql", "MYSQL_PORT": "tcp://10.0.0.1:3306"})
    assert settings.mysql_port == 3306
    with pytest.raises(SettingError, match="Setting MYSQL_PORT"):
        Settings.from_environment({"MYSQL_HOST": "mysql", "MYSQL_PORT": "10.0.0.1:3306"})


def test_the_longest_conversion_ends_before_a_stopping_server_aborts_it() -> None:
    conversion = Settings().max_conversion_seconds
    assert conversion < graceful_timeout < conversion + SECONDS_BEYOND_CONVERSION
