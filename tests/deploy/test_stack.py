"""Checks stack.yml against faas-cli's documentation, because faas-cli ignores unknown keys."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from croniter import croniter

from soundlift.common.settings import Settings
from soundlift.common.web.gunicorn_config import RELEASE_SECONDS
from soundlift.local.stack import read_stack, substitute
from tests.factories.manifests import image_environment, parse_go_duration

ROOT = Path(__file__).parents[2]
FILE = ROOT / "stack.yml"
STACK: dict[str, Any] = yaml.safe_load(substitute(FILE.read_text(encoding="utf-8"), {}))
FUNCTIONS: dict[str, dict[str, Any]] = STACK["functions"]

# https://docs.openfaas.com/reference/yaml, and stack/schema.go in openfaas/go-sdk, which the reference describes
TOP_KEYS = {"version", "provider", "configuration", "functions"}
PROVIDER_KEYS = {"name", "gateway"}
CONFIGURATION_KEYS = {"templates", "copy"}
FUNCTION_KEYS = {
    "lang",
    "handler",
    "image",
    "fprocess",
    "environment",
    "environment_file",
    "secrets",
    "skip_build",
    "build_options",
    "build_args",
    "build_secrets",
    "platforms",
    "constraints",
    "labels",
    "annotations",
    "limits",
    "requests",
    "readonly_root_filesystem",
    "namespace",
}
RESOURCE_KEYS = {"memory", "cpu"}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a label of RFC 1035, as the reference requires
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")  # Kubernetes' label value

KUBERNETES_GRACE_SECONDS = 30
GRACE = "write_timeout"  # not in the Community Edition, https://docs.openfaas.com/reference/workloads
# validateScalingLabels in pkg/handlers/validate.go of openfaas/faas-netes
REFUSED_BY_COMMUNITY_EDITION = {f"com.openfaas.scale.{name}" for name in ("type", "target", "zero-duration")}
MAX_REPLICAS_IN_COMMUNITY_EDITION = 5

SECRET_OF_SERVICE = {
    "tokens": "jwt-secret",
    "identify": "jwt-secret",
    "api_keys": "database-url",
    "database": "database-url",
    "users": "database-url",
    "password_links": "database-url",
    "jobs": "database-url",
    "notifications": "database-url",
    "webhooks": "database-url",
    "webhook_alerts": "database-url",
    "deliveries": "database-url",
    "delivery_list": "database-url",
    "videos": "media-url",
    "mp3s": "media-url",
    "broker": "broker-url",
    "publisher": "broker-url",
    "mail": "smtp-url",
}

each_function = pytest.mark.parametrize("name", FUNCTIONS)


def source_code(name: str) -> str:
    """Return a function's source code, with the shared code through which it uses services."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "functions" / name).rglob("*.py"))]
    if any("soundlift.common.jobs.disposal" in text for text in texts):
        texts.append((ROOT / "soundlift" / "common" / "jobs" / "disposal.py").read_text(encoding="utf-8"))
    return "\n".join(texts)


def test_the_file_has_only_documented_keys() -> None:
    assert STACK.keys() <= TOP_KEYS
    assert STACK["provider"].keys() <= PROVIDER_KEYS
    assert STACK["configuration"].keys() <= CONFIGURATION_KEYS
    for entry in FUNCTIONS.values():
        assert entry.keys() <= FUNCTION_KEYS
        assert entry["limits"].keys() == entry["requests"].keys() == RESOURCE_KEYS


def test_version_and_provider_are_those_that_faas_cli_accepts() -> None:
    assert str(STACK["version"]) == "1.0"
    assert STACK["provider"]["name"] == "openfaas"
    assert STACK["provider"]["gateway"] == "http://127.0.0.1:8080"


def test_every_function_is_listed_and_every_listed_function_exists() -> None:
    folders = {file.parent.name for file in ROOT.glob("functions/*/handler.py")}
    assert FUNCTIONS.keys() == folders


def test_the_common_layer_is_copied_into_every_image() -> None:
    assert STACK["configuration"]["copy"] == ["./soundlift/common"]
    assert (ROOT / "soundlift" / "common").is_dir()


@each_function
def test_a_function_is_built_from_its_folder(name: str) -> None:
    entry = FUNCTIONS[name]
    assert NAME.fullmatch(name)
    assert entry["lang"] == "python3-soundlift"
    assert entry["handler"] == f"./functions/{name}"
    assert entry["readonly_root_filesystem"] is True


@each_function
def test_values_passed_to_kubernetes_have_its_formats(name: str) -> None:
    entry = FUNCTIONS[name]
    for key in ("environment", "annotations", "labels"):
        assert all(isinstance(value, str) for value in entry.get(key, {}).values()), key
    assert all(LABEL.fullmatch(value) for value in entry["labels"].values())
    for key in ("limits", "requests"):
        assert re.fullmatch(r"\d+Mi", entry[key]["memory"])
        assert re.fullmatch(r"\d+m", entry[key]["cpu"])


@each_function
def test_environment_variables_are_valid_settings(name: str) -> None:
    environment = FUNCTIONS[name].get("environment", {})
    assert {variable.lower() for variable in environment} - {GRACE} <= Settings.__dataclass_fields__.keys()
    Settings.from_environment(environment)


@each_function
def test_a_function_has_only_the_secrets_it_uses(name: str) -> None:
    used = set(re.findall(r"services\.(\w+)", source_code(name)))
    used |= set(import_module(f"functions.{name}.handler").app.needs)
    if "identify" in used:
        used.add("api_keys")
    assert set(FUNCTIONS[name].get("secrets", [])) == {SECRET_OF_SERVICE[s] for s in used & SECRET_OF_SERVICE.keys()}


def test_secrets_are_secret_settings() -> None:
    secret = {name.replace("_", "-") for name, it in Settings.__dataclass_fields__.items() if it.metadata["secret"]}
    assert set(SECRET_OF_SERVICE.values()) <= secret


def test_topics_are_the_queues() -> None:
    annotations = {name: entry["annotations"] for name, entry in FUNCTIONS.items()}
    topics = {name: found["topic"] for name, found in annotations.items() if "topic" in found}
    settings = Settings.from_environment({})
    outcomes = dict.fromkeys(("notify", "webhook"), settings.mp3_queue)
    assert topics == {
        "fetch": settings.import_queue,
        "convert": settings.video_queue,
        **outcomes,
        "cleanup": "cron-function",
    }


def test_cleanup_runs_each_minute() -> None:
    schedule = FUNCTIONS["cleanup"]["annotations"]["schedule"]
    assert croniter(schedule, 0).get_next(float) == 60


def test_two_conversions_fit_into_the_memory_of_convert() -> None:
    entry = FUNCTIONS["convert"]
    settings = Settings.from_environment(entry["environment"])
    limit = int(entry["limits"]["memory"].removesuffix("Mi")) * 2**20
    assert settings.convert_concurrency * settings.max_memory_bytes < limit


@each_function
def test_a_stopping_function_ends_before_kubernetes_kills_it(name: str) -> None:
    environment = {**image_environment(), **FUNCTIONS[name].get("environment", {})}
    grace = parse_go_duration(environment.get(GRACE, f"{KUBERNETES_GRACE_SECONDS}s"))
    assert grace == KUBERNETES_GRACE_SECONDS
    assert Settings.from_environment(environment).drain_seconds + RELEASE_SECONDS < grace


@each_function
def test_the_community_edition_accepts_every_label_with_other_scale_labels(name: str) -> None:
    community = yaml.safe_load(substitute(FILE.read_text(encoding="utf-8"), {"SCALE_LABELS": "unused"}))
    labels, elsewhere = community["functions"][name]["labels"], FUNCTIONS[name]["labels"]
    assert not labels.keys() & REFUSED_BY_COMMUNITY_EDITION
    assert labels.get("com.openfaas.scale.zero") != "true"
    assert int(labels["com.openfaas.scale.max"]) <= MAX_REPLICAS_IN_COMMUNITY_EDITION
    assert list(labels.values()) == list(elsewhere.values())
    assert {key.replace("unused", "com.openfaas.scale") for key in labels} == elsewhere.keys()


def test_the_local_gateway_reads_the_same_file() -> None:
    assert {one.name: one.module for one in read_stack(FILE)} == {
        name: f"functions.{name}.handler" for name in FUNCTIONS
    }


def test_the_guide_to_rotation_names_the_functions_that_use_each_secret() -> None:
    rows = re.findall(r"(?m)^\| \[`([\w-]+)`\]\(.*\| (.*) \|$", (ROOT / "docs" / "rotation.md").read_text())
    users = {secret: set(text.split(", ")) - {"the connector"} for secret, text in rows}
    used = {
        secret: {name for name, entry in FUNCTIONS.items() if secret in entry.get("secrets", [])} for secret in users
    }
    everywhere = used.pop("database-url")
    assert users.pop("database-url") == {"all but web and the connector"}
    assert everywhere == FUNCTIONS.keys() - {"web"}
    assert users == used
    assert {"jwt-secret", "broker-url", "media-url", "smtp-url"} <= users.keys()
