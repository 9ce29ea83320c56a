"""An identity provider that takes every code for one of a user, so that the example of its route is a valid request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.factories.issuer import CLIENT_ID, TOKEN, running_issuer
from tests.fuzz.users import PEERS
from tests.openapi.document import read_document


@contextmanager
def running_provider() -> Iterator[dict[str, str]]:
    """Run the provider in this process, and yield the settings of a deployment that has it."""
    body = read_document().root["paths"]["/login/provider"]["post"]["requestBody"]["content"]["application/json"]
    claims = {"email": PEERS["you"], "nonce": body["examples"]["page"]["value"]["nonce"]}
    with running_issuer() as issuer:
        issuer.answers[TOKEN] = lambda: json.dumps({"id_token": issuer.token(**claims)}).encode()
        yield {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT_ID}
