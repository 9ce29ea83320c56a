"""The OpenAPI document, with its references resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from functions.web.api_files import API_FOLDER, DOCUMENT
from functions.web.api_page import METHODS, ApiDocument

Node = Mapping[str, Any]
PROBLEM = "application/problem+json"


@cache
def read_document() -> ApiDocument:
    return ApiDocument((API_FOLDER / DOCUMENT).read_bytes())


def operations() -> Iterator[tuple[str, str, Node]]:
    """Yield the method, the path and the description of each operation."""
    for path, item in read_document().root["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def responses() -> Iterator[tuple[str, Node]]:
    """Yield the status and the description of each response of each operation, and of those to any request."""
    api = read_document()
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            yield status, api.resolve(response)
    for response in api.root["components"]["responses"].values():
        if response.get("x-any-request"):
            yield str(api.status_of(response)), response


def problems() -> Iterator[tuple[str, set[str], list[Node]]]:
    """Yield the status, the codes and the examples of each response that is a problem document."""
    api = read_document()
    for status, response in responses():
        if media := response.get("content", {}).get(PROBLEM):
            codes = set(media["schema"]["properties"]["code"]["enum"])
            yield status, codes, [api.resolve(each)["value"] for each in media["examples"].values()]


def schema(name: str) -> Node:
    """Return a named schema with what its references name."""
    api = read_document()
    return api.resolve(api.root["components"]["schemas"][name])
