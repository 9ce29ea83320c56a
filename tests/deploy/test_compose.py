"""Checks compose.yaml and the example settings against stack.yml and the declared settings."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.stack import read_stack, substitute

ROOT = Path(__file__).parents[2]
TEXT = substitute((ROOT / "compose.yaml").read_text(encoding="utf-8"), {})
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS: dict[str, str] = SERVICES["soundlift"]["environment"]
ENV_FILES = sorted((ROOT / "deploy" / "local").glob("*.env"))
NAMES = {item.name.upper() for item in fields(Settings)}
GENERATED_BY_UP = {"JWT_SECRET"}

each_env_file = pytest.mark.parametrize("file", ENV_FILES, ids=lambda file: file.name)


def published(name: str) -> dict[str, str]:
    """Return the published ports of a service: host port to container port."""
    return {host: container for _, host, container in (port.split(":") for port in SERVICES[name].get("ports", []))}


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables that a shell reads from a file, as the file's comment describes."""
    script = f"set -a; . {shlex.quote(str(file))}; env -0"
    read = subprocess.run(["env", "-i", "sh", "-c", script], capture_output=True, text=True, check=True).stdout
    pairs = dict(pair.split("=", 1) for pair in read.split("\0") if pair)
    return {name: value for name, value in pairs.items() if name not in ("PWD", "OLDPWD", "SHLVL", "_")}


def named_servers(settings: Settings) -> dict[str, tuple[str, int | None, str | None, str | None]]:
    """Return the host, port, user and password of each server in the settings."""
    found = {}
    for name in ("database_url", "broker_url", "media_url", "smtp_url"):
        parts = urlsplit(getattr(settings, name))
        user, password = parts.username, parts.password
        if parts.scheme == "s3":
            parts = urlsplit(parse_qs(parts.query)["endpoint"][0])
        found[name] = (parts.hostname or "", parts.port, user, password)
    return found


def server_credentials(name: str) -> tuple[str | None, str | None]:
    """Return the user and password in a server's own settings."""
    environment = SERVICES[name].get("environment", {})
    account = {key.rpartition("_")[2]: value for key, value in environment.items() if "RANDOM" not in key}
    return account.get("USER"), account.get("PASSWORD") or account.get("PASS")


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    if "build" not in SERVICES[name]:
        assert re.fullmatch(r"postgres:\d+\.\d+|[a-z/]+:(v?\d+\.\d+\.\d+[-a-z]*|RELEASE\.[-\dTZ]+)", image)


def test_our_image_is_built_and_never_pulled() -> None:
    assert SERVICES["soundlift"]["image"].startswith("registry.invalid/")
    assert SERVICES["soundlift"]["pull_policy"] == "build"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_the_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_dependencies_exist_and_awaited_servers_have_health_checks(name: str) -> None:
    service = SERVICES[name]
    assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= COMPOSE["volumes"].keys()
    for other, wanted in service.get("depends_on", {}).items():
        assert wanted == {"condition": "service_healthy"}
        assert SERVICES[other]["healthcheck"]["test"][0] == "CMD"


def test_our_settings_exist_and_name_the_servers_with_their_own_passwords() -> None:
    assert OURS.keys() <= NAMES
    settings = Settings.from_environment(OURS)
    for host, port, user, password in named_servers(settings).values():
        assert str(port) in published(host).values()
        assert (user, password) == server_credentials(host)
        assert host in SERVICES["soundlift"]["depends_on"]


def test_every_secret_of_a_deployed_function_is_set_or_generated() -> None:
    secrets = {name for function in read_stack(ROOT / "stack.yml") for name in function.secrets}
    needed = {name.upper().replace("-", "_") for name in secrets}
    assert needed <= OURS.keys() | GENERATED_BY_UP


def test_the_queues_are_those_that_the_functions_subscribe_to() -> None:
    settings = Settings.from_environment(OURS)
    topics = {function.annotations.get("topic") for function in read_stack(ROOT / "stack.yml")}
    assert {settings.import_queue, settings.video_queue, settings.mp3_queue} <= topics


def test_there_is_an_example_for_each_media_store() -> None:
    assert [file.stem for file in ENV_FILES] == ["gridfs", "s3"]


@each_env_file
def test_an_example_names_existing_settings_and_published_servers(file: Path) -> None:
    variables = read_env_file(file)
    assert variables.keys() <= NAMES
    settings = Settings.from_environment(variables)
    ports = {port: name for name in SERVICES for port in published(name)}
    for setting, (host, port, user, password) in named_servers(settings).items():
        if setting.upper() in variables:
            name = ports[str(port)]
            assert host == "127.0.0.1"
            assert (user, password) == server_credentials(name)


@each_env_file
def test_soundlift_can_open_the_services_of_an_example(file: Path) -> None:
    services = Services(Settings.from_environment(read_env_file(file)))
    for name in ("database", "broker", "videos", "mp3s", "mail"):
        assert getattr(services, name)


def test_the_bucket_that_is_created_is_the_one_that_is_used() -> None:
    settings = Settings.from_environment(read_env_file(ROOT / "deploy" / "local" / "s3.env"))
    bucket = SERVICES["bucket"]
    assert bucket["command"][-1] == f"minio/{urlsplit(settings.media_url).hostname}"
    assert urlsplit(bucket["environment"]["MC_HOST_minio"]).username == server_credentials("minio")[0]


def test_our_image_is_built_from_a_dockerfile_that_runs_up() -> None:
    build = SERVICES["soundlift"]["build"]
    dockerfile = (ROOT / build["context"] / build["dockerfile"]).read_text()
    assert 'CMD ["soundlift", "up", "--host", "0.0.0.0"]' in dockerfile
    assert re.search(r"^USER \d+:\d+$", dockerfile, re.MULTILINE)
    assert "127.0.0.1:8080:8080" in SERVICES["soundlift"]["ports"]
