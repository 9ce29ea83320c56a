"""Check of the functions: each reports through the gateway whether it is ready."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import urllib3
from urllib3.exceptions import HTTPError

from soundlift.cli.doctor.finding import Check, Finding, failed, ok, skipped
from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.services import Services

PART = "functions"
FUNCTIONS = (
    *("login", "validate", "upload", "jobs", "hooks", "download", "web"),
    *("fetch", "convert", "notify", "webhook", "cleanup"),
)
TIMEOUT = urllib3.Timeout(connect=3, read=6)
NO_ANSWER = "no answer"
READY_RETURNED = "/_/ready returned "
UNAUTHORIZED = (f"{READY_RETURNED}401", f"{READY_RETURNED}403")


def functions_check(*, names_its_gateway: bool) -> Check:
    """Return the check, which asks the functions only if the settings say where they are."""

    def check(services: Services) -> Iterator[Finding]:
        if services.settings.subscribers:
            addresses = {queue: f"{url}/_/ready" for queue, url in services.settings.subscribers}
        elif names_its_gateway:
            gateway = services.settings.gateway_url
            addresses = {name: f"{gateway}/function/{name}/_/ready" for name in FUNCTIONS}
        else:
            yield skipped(PART, "GATEWAY_URL is not set, or malformed")
            return
        login = login_headers(services.settings) if services.settings.basic_auth_calls else {}
        yield from _check_functions(addresses, login)

    return Check(PART, "check GATEWAY_URL, and that the gateway can be reached from here", check)


def _check_functions(addresses: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[Finding]:
    with ThreadPoolExecutor(len(addresses)) as pool, _pool(headers) as http:
        faults = dict(zip(addresses, pool.map(lambda url: _fault(http, url), addresses.values()), strict=True))
    if not any(faults.values()):
        yield ok(PART, f"{len(addresses)} are ready")
        return
    for fault in sorted(set(filter(None, faults.values()))):
        names = ", ".join(name for name in faults if faults[name] == fault)
        yield failed(PART, f"{names}: {fault}", _advice(fault))


def _pool(headers: Mapping[str, str]) -> urllib3.PoolManager:
    return urllib3.PoolManager(headers=headers, timeout=TIMEOUT, maxsize=len(FUNCTIONS))


def _advice(fault: str) -> str:
    if fault.startswith(NO_ANSWER):
        return "check GATEWAY_URL, and that the gateway can be reached from here"
    if fault.startswith(UNAUTHORIZED):
        return "set BASIC_AUTH_USER and BASIC_AUTH_PASSWORD to those of the gateway, and BASIC_AUTH_CALLS=true"
    return "check that it is deployed, and its log"


def _fault(http: urllib3.PoolManager, url: str) -> str:
    """Return why the function at an address is not ready, or an empty text."""
    try:
        response = http.request("GET", url, retries=False, redirect=False)
    except HTTPError as error:
        return f"{NO_ANSWER} ({type(error).__name__})"
    if response.status == 200:
        return ""
    return f"{READY_RETURNED}{response.status}{_detail(response.data)}"


def _detail(body: bytes) -> str:
    try:
        return f": {json.loads(body)['detail']}"
    except (ValueError, KeyError, TypeError):
        return ""
