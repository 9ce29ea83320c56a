"""login: many concurrent sign-ins within the memory of its container."""

from __future__ import annotations

import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from soundlift.common.services import Services
from soundlift.local.stack import substitute
from tests.api.function_server import LOOPBACK, TIMEOUT_SECONDS, FunctionServer, served
from tests.factories.accounts import PASSWORD
from tests.factories.manifests import allocator_environment

pytestmark = pytest.mark.servers

CONCURRENCY = 200
STACK = Path(__file__).parents[2] / "stack.yml"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux reports the peak memory of a process")
def test_200_concurrent_sign_ins_fit_into_the_memory_of_the_container(services: Services) -> None:
    with served("login", services, allocator_environment()) as login:
        # Different accounts, since one would soon be locked, and a locked sign-in is not hashed.
        strangers = [f"{number}@example.org" for number in range(CONCURRENCY - 2)]
        answers = _sign_in_concurrently(login, ["ada@example.org", "bob@example.org", *strangers])
        assert login.peak_memory() < _memory_limit()
        assert {status for status, _, _ in answers} <= {200, 401, 429}
        for status, headers, problem in answers:
            if status == 429:
                assert problem["code"] == "busy"
                assert int(headers["retry-after"]) > 0
                assert headers["content-type"] == "application/problem+json"
        assert _sign_in(login, "ada@example.org")[0] == 200


def _sign_in_concurrently(login: FunctionServer, emails: list[str]) -> list[tuple[int, dict[str, str], Any]]:
    with ThreadPoolExecutor(len(emails)) as threads:
        return list(threads.map(lambda email: _sign_in(login, email), emails))


def _sign_in(login: FunctionServer, email: str) -> tuple[int, dict[str, str], Any]:
    connection = HTTPConnection(LOOPBACK, login.port, timeout=TIMEOUT_SECONDS)
    credentials = b64encode(f"{email}:{PASSWORD}".encode()).decode()
    connection.request("POST", "/", headers={"Authorization": f"Basic {credentials}"})
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    document = json.loads(answer.read())
    connection.close()
    return answer.status, headers, document


def _memory_limit() -> int:
    stack = yaml.safe_load(substitute(STACK.read_text(encoding="utf-8"), {}))
    memory: str = stack["functions"]["login"]["limits"]["memory"]
    return int(memory.removesuffix("Mi")) * 2**20
