"""The health check of the local gateway."""

from __future__ import annotations

from http import HTTPStatus

import urllib3

TIMEOUT_SECONDS = 2


def is_healthy(url: str) -> bool:
    """Return whether the gateway at an address passes its health check."""
    headers = {"Connection": "close"}
    try:
        response = urllib3.request("GET", f"{url}/healthz", headers=headers, retries=False, timeout=TIMEOUT_SECONDS)
    except urllib3.exceptions.HTTPError:
        return False
    return response.status == HTTPStatus.OK
