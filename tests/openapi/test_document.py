"""The OpenAPI document is valid, complete in itself, and its examples are what it describes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.openapi.document import operations, read_document

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ROOT = Path(__file__).parents[2]
API = read_document()


def media_types(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each description of a body, with its place in the document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "content" and "components/examples" not in place:
                yield from ((f"{place}/{kind}", media) for kind, media in value.items())
            yield from media_types(value, f"{place}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from media_types(value, f"{place}/{index}")


def test_the_document_is_valid_openapi_of_the_version_of_the_project() -> None:
    from openapi_spec_validator import validate  # takes 1.6 s, which every process of the tests would spend

    validate(API.root)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert API.root["openapi"].startswith("3.1.")
    assert API.root["info"]["version"] == project["version"]


def test_every_example_is_what_its_schema_describes() -> None:
    checked = 0
    for place, media in media_types(API.root):
        for name, example in media.get("examples", {}).items():
            schema = {**media.get("schema", {}), "components": API.root["components"]}
            validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
            assert not list(validator.iter_errors(API.resolve(example)["value"])), f"{place}: {name}"
            checked += 1
    assert checked >= 80


@pytest.mark.parametrize("operation", [pytest.param(each, id=each["operationId"]) for _, _, each in operations()])
def test_every_operation_has_a_summary_a_tag_security_and_an_example_of_each_json(
    operation: Any,
) -> None:
    assert operation["operationId"]
    assert operation["summary"]
    assert "security" in operation
    assert set(operation["tags"]) <= {tag["name"] for tag in API.root["tags"]}
    bodies = [API.resolve(each) for each in [operation.get("requestBody", {}), *operation["responses"].values()]]
    for body in bodies:
        for kind, media in body.get("content", {}).items():
            assert "json" not in kind or media["examples"], kind


def test_every_security_scheme_and_every_tag_is_used() -> None:
    used = [(operation["tags"], operation["security"]) for _, _, operation in operations()]
    assert {tag for tags, _ in used for tag in tags} == {tag["name"] for tag in API.root["tags"]}
    schemes = {name for _, security in used for way in security for name in way}
    assert schemes == set(API.root["components"]["securitySchemes"])


def test_every_component_is_referred_to() -> None:
    text = str(API.root)
    for kind, components in API.root["components"].items():
        for name, component in components.items():
            if kind != "securitySchemes" and not component.get("x-any-request"):
                assert f"'#/components/{kind}/{name}'" in text or f"/{kind}/{name}/" in text, f"{kind}/{name}"
