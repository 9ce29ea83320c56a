"""The part of faas-cli that tests use, after the gateway's documented API, for machines without faas-cli.

The API: https://github.com/openfaas/faas/blob/master/api-docs/spec.openapi.yml.
"""

from __future__ import annotations

import argparse
import json
from subprocess import CompletedProcess
from typing import Any

import urllib3

FUNCTION_FIELDS = {"name", "image", "namespace", "invocationCount", "replicas", "availableReplicas", "labels",
                   "annotations"}  # fmt: skip
LOG_FIELDS = {"name", "namespace", "instance", "timestamp", "text"}
PROVIDER_FIELDS = {"provider", "orchestration", "version"}


class Refused(Exception):
    """An answer other than 2xx, in faas-cli's sentence."""


class DocumentedFaasCli:
    """A client of one gateway, which keeps the login until it is replaced."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._authorization = ""

    def __call__(self, *arguments: str, said: str = "") -> CompletedProcess[str]:
        """Run a command, and return its exit code and output."""
        options = _parser().parse_args(arguments)
        authorization = f"Bearer {options.token}" if options.token else self._authorization
        try:
            printed = getattr(self, f"_{options.command}")(options, said, authorization)
        except Refused as refusal:
            return CompletedProcess(arguments, 1, f"{refusal}\n")
        return CompletedProcess(arguments, 0, printed + "\n")

    def _login(self, options: argparse.Namespace, said: str, _: str) -> str:
        authorization = urllib3.make_headers(basic_auth=f"{options.username}:{said.strip()}")["authorization"]
        self._ask("GET", "/system/functions", authorization)
        self._authorization = authorization
        return "credentials saved"

    def _list(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        return "\n".join(_checked(one, FUNCTION_FIELDS)["name"] for one in self._json("functions", authorization))

    def _describe(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        function = _checked(self._json(f"function/{options.name}?usage=1", authorization), FUNCTION_FIELDS)
        return json.dumps({**function, "Status": "Ready" if function["availableReplicas"] else "Not Ready"})

    def _logs(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        follow = str(options.tail != "false").lower()
        query = f"/system/logs?name={options.name}&follow={follow}&tail={options.lines}"
        lines = self._ask("GET", query, authorization).data.decode().splitlines()
        return "\n".join(json.dumps(_checked(json.loads(line), LOG_FIELDS)) for line in lines)

    def _secret(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        return "\n".join(["NAME", *(one["name"] for one in self._json("secrets", authorization))])

    def _version(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        provider = _checked(self._json("info", authorization)["provider"], PROVIDER_FIELDS)
        return json.dumps({"provider": {**provider, "name": provider["provider"]}})

    def _invoke(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        headers = dict(header.split(": ", 1) for header in options.header)
        answer = self._ask("POST", f"/function/{options.name}", "", said.encode(),
                           {"Content-Type": options.content_type, **headers})  # fmt: skip
        return answer.data.decode()

    def _remove(self, options: argparse.Namespace, said: str, authorization: str) -> str:
        body = json.dumps({"functionName": options.name}).encode()
        return self._ask("DELETE", "/system/functions", authorization, body).data.decode()

    def _json(self, path: str, authorization: str) -> Any:
        return self._ask("GET", f"/system/{path}", authorization).json()

    def _ask(self, method: str, path: str, authorization: str, body: bytes | None = None,
             headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:  # fmt: skip
        own = {"Authorization": authorization} if authorization else {}
        sent = {"Connection": "close", **own, **(headers or {})}
        answer = urllib3.request(method, self._url + path, body=body, headers=sent, retries=False, timeout=60)
        if path.startswith("/system/") and answer.status == 401:
            raise Refused('unauthorized access, run "faas-cli login" to setup authentication for this server')
        if answer.status == 404:
            raise Refused("No such function")
        if answer.status >= 300:
            raise Refused(f"server returned unexpected status code: {answer.status} - {answer.data.decode()}")
        return answer


def _checked(document: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    """Return a document that has all documented fields."""
    assert fields <= document.keys(), fields - document.keys()
    return document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("login", "list", "describe", "logs", "secret", "version", "invoke", "remove"):
        command = commands.add_parser(name)
        command.add_argument("--token", default="")
        command.add_argument("--json", action="store_true")
        if name not in {"login", "list", "version"}:
            command.add_argument("name")
    commands.choices["login"].add_argument("--username")
    commands.choices["login"].add_argument("--password-stdin", action="store_true")
    commands.choices["list"].add_argument("--quiet", action="store_true")
    commands.choices["logs"].add_argument("--tail")
    commands.choices["logs"].add_argument("--lines", default=-1)
    commands.choices["invoke"].add_argument("--content-type", default="text/plain")
    commands.choices["invoke"].add_argument("--header", "-H", action="append", default=[])
    return parser
