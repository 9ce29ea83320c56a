"""The page that describes the HTTP API to people, rendered from the OpenAPI document without any script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment
from markupsafe import Markup, escape

from soundlift.common.web.page_icon import INLINE_ICON

METHODS = ("get", "post", "put", "patch", "delete")
CODE = re.compile(r"`([^`]+)`")
BOUNDS = {"minimum": "at least", "maximum": "at most", "maxLength": "at most {} characters", "maxItems": "at most {}"}

Node = Mapping[str, Any]


class ApiDocument:
    """An OpenAPI document whose references are resolved on demand."""

    def __init__(self, text: bytes) -> None:
        self.root: Node = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe

    def resolve(self, node: Node) -> Node:
        """Return a node with what its reference names; its own members take precedence."""
        if "$ref" not in node:
            return node
        found: Any = self.root
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        own = {key: value for key, value in node.items() if key != "$ref"}
        target = self.resolve(found)
        if "properties" in own and "properties" in target:
            own["properties"] = {**target["properties"], **own["properties"]}
        return {**target, **own}

    def operations(self, tag: str) -> Iterator[Node]:
        """Yield the operations of a tag in the order of the document, with method, path and all parameters."""
        for path, item in self.root["paths"].items():
            for method in METHODS:
                operation = item.get(method, {})
                if tag in operation.get("tags", ()):
                    parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
                    resolved = [self.resolve(parameter) for parameter in parameters]
                    yield {**operation, "method": method.upper(), "path": path, "parameters": resolved}

    def status_of(self, response: Node) -> int:
        """Return the status of a problem response, which its examples name."""
        first = next(iter(response["content"]["application/problem+json"]["examples"].values()))
        return int(self.resolve(first)["value"]["status"])

    def type_of(self, schema: Node) -> str:
        """Return in words which values a schema allows."""
        if name := self.name_of(schema):
            return name
        schema = self.resolve(schema)
        if "anyOf" in schema:
            return " or ".join(self.type_of(each) for each in schema["anyOf"])
        kinds = schema.get("type", [])
        text = " or ".join([kinds] if isinstance(kinds, str) else kinds)
        if "items" in schema:
            text = f"array of {self.type_of(schema['items'])}"
        values = [schema["const"]] if "const" in schema else schema.get("enum", [])
        if values:
            text = " or ".join(json.dumps(value, ensure_ascii=False) for value in values)
        return ", ".join([text, *_limits(schema)])

    @staticmethod
    def name_of(schema: Node) -> str:
        """Return the name of the schema that a schema refers to, if it has a section of its own."""
        prefix, _, name = schema.get("$ref", "").rpartition("/")
        return name if prefix == "#/components/schemas" else ""


def render_page(document: bytes, *, template: Path, style: str) -> str:
    """Return the page for a document."""
    api = ApiDocument(document)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"prose": prose, "example": example}
    text = template.read_text(encoding="utf-8")
    own = {"style": Markup(style), "icon": Markup(INLINE_ICON)}  # noqa: S704 - our files
    return environment.from_string(text).render(api=api, root=api.root, **own)


def prose(text: str) -> Markup:
    """Return a description as paragraphs, in which `code` is marked."""
    paragraphs = (CODE.sub(r"<code>\1</code>", str(escape(part))) for part in text.strip().split("\n\n"))
    return Markup("".join(f"<p>{part}</p>" for part in paragraphs))  # noqa: S704 - escaped above


def example(value: Any) -> str:
    """Return an example as a client would see it."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _limits(schema: Node) -> Iterator[str]:
    for key, words in BOUNDS.items():
        if key in schema:
            yield words.format(schema[key]) if "{}" in words else f"{words} {schema[key]}"
    if "pattern" in schema:
        yield f"matching {schema['pattern']}"
    if "default" in schema:
        yield f"{schema['default']} by default"
