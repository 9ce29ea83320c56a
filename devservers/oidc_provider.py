"""Runs a private OpenID Connect provider: oidc-provider-mock, which lets everybody sign in as anybody.

It ignores PKCE, which is added here: a code is redeemed only with the verifier of its challenge (RFC 7636). Its pages
load nothing from other hosts here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from devservers.ports import free_port
from devservers.server import Server
from devservers.waiting import DEADLINE_SECONDS

STYLE_SHEET = re.compile(rb'<link[^>]+href="https://[^>]+>')


@dataclass(frozen=True)
class OidcProvider:
    """A provider, in which users are added by their name, the claim `sub`."""

    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_user(self, name: str, **claims: Any) -> None:
        """Add a user with claims, such as `email` and `email_verified`."""
        self._put(f"/users/{quote(name)}", claims)

    def _put(self, path: str, document: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        data = json.dumps(document).encode()
        request = urllib.request.Request(f"{self.issuer}{path}", data=data, headers=headers, method="PUT")
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            assert answer.status == 204


@contextmanager
def running_oidc_provider(folder: Path) -> Iterator[OidcProvider]:
    """Run a provider, with its log in a folder."""
    provider = OidcProvider(free_port())
    server = Server(
        [sys.executable, "-m", "devservers.oidc_provider", str(provider.port)],
        log=folder / "provider.log",
        answers=lambda: _answers(provider),
        folder=Path(__file__).parents[1],
    )
    with server.running():
        yield provider


def _answers(provider: OidcProvider) -> bool:
    with urllib.request.urlopen(f"{provider.issuer}/.well-known/openid-configuration", timeout=10) as answer:
        return bool(answer.status == 200)


def serve(port: int) -> None:
    """Serve until the process is killed."""
    import flask
    import oidc_provider_mock
    from werkzeug.serving import run_simple

    app = oidc_provider_mock.app(require_nonce=True)
    challenges: dict[str, str] = {}

    def check_verifier() -> flask.typing.ResponseReturnValue | None:
        if flask.request.path != "/oauth2/token":
            return None
        form = flask.request.form
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        if challenges.pop(form.get("code", ""), None) == urlsafe_b64encode(digest).rstrip(b"=").decode():
            return None
        return flask.jsonify(error="invalid_grant"), 400

    def keep_challenge(response: flask.Response) -> flask.Response:
        code = parse_qs(urlsplit(response.headers.get("Location", "")).query).get("code")
        if code and flask.request.args.get("code_challenge_method") == "S256":
            challenges[code[0]] = flask.request.args["code_challenge"]
        return response

    def load_nothing_else(response: flask.Response) -> flask.Response:
        if response.mimetype == "text/html":
            response.set_data(STYLE_SHEET.sub(b'<link rel="icon" href="data:,">', response.get_data()))
        return response

    app.before_request(check_verifier)
    app.after_request(keep_challenge)
    app.after_request(load_nothing_else)
    run_simple("127.0.0.1", port, app, threaded=True)


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # it is http, on this machine only
    logging.basicConfig(level=logging.INFO)
    serve(int(sys.argv[1]))
