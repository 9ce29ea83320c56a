"""An identity provider in this process, whose answers a test chooses, and which counts the requests."""

from __future__ import annotations

import json
import secrets
import ssl
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm

from soundlift.common.auth.oidc.provider import open_provider
from soundlift.common.services import Services
from soundlift.common.settings import Settings

CLIENT_ID = "soundlift-test"
VERIFIER = "v" * 43
NONCE = "n" * 22
DISCOVERY, JWKS, TOKEN, USERINFO = "/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"
ADA_CLAIMS = {"email": "ada@example.org", "email_verified": True}


def new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def public_jwk(key: EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


@dataclass
class Issuer:
    """A provider with one key; `answers` replace its documents, and `codes` are the ID tokens that codes stand for."""

    url: str = ""
    key: EllipticCurvePrivateKey = field(default_factory=new_key)
    answers: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    forms: list[tuple[dict[str, str], Mapping[str, str]]] = field(default_factory=list)
    is_away: bool = False
    released: Event = field(default_factory=Event)

    def metadata(self, **changes: Any) -> dict[str, Any]:
        names = {"token_endpoint": TOKEN, "jwks_uri": JWKS, "authorization_endpoint": "/authorize"}
        endpoints = {name: f"{self.url}{path}" for name, path in names.items()}
        return {"issuer": self.url, **endpoints, **changes}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good ID token, with changes; None removes a claim."""
        now = int(time.time())
        registered = {"iss": self.url, "aud": CLIENT_ID, "sub": "1", "iat": now, "exp": now + 300, "nonce": NONCE}
        claims = {**registered, **ADA_CLAIMS, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a signed ID token with these changes of its claims."""
        return jwt.encode(self.claims(**changes), self.key, "ES256", headers={"kid": "1", **(headers or {})})

    def code(self, token: str | None = None, **changes: Any) -> str:
        """Return a code that is redeemed once for a token, by default a good one with changes of its claims."""
        code = secrets.token_urlsafe(12)
        self.codes[code] = self.token(**changes) if token is None else token
        return code

    def answer(self, path: str, form: dict[str, str], headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return the status and the body of the response to a request."""
        self.requests[path] += 1
        if self.is_away:
            return 503, b"away"
        if path in self.answers:
            return 200, self.answers[path]()
        if path == DISCOVERY:
            return 200, json.dumps(self.metadata()).encode()
        if path == JWKS:
            return 200, json.dumps({"keys": [public_jwk(self.key, "1")]}).encode()
        if path == TOKEN:
            return self._redeem(form, headers)
        return 404, b""

    def _redeem(self, form: dict[str, str], headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.forms.append((form, headers))
        challenge = sha256(form["code_verifier"].encode()).digest()
        token = self.codes.pop(form["code"], None) if challenge == sha256(VERIFIER.encode()).digest() else None
        if token is None or form["redirect_uri"] != "http://127.0.0.1:8080/web/" or form["client_id"] != CLIENT_ID:
            return 400, b'{"error": "invalid_grant"}'
        return 200, json.dumps({"id_token": token, "access_token": "access", "token_type": "Bearer"}).encode()


@contextmanager
def running_issuer(context: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    """Run a provider, with TLS if there is a context."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name for it
            size = int(self.headers.get("Content-Length") or 0)
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()}
            status, body = issuer.answer(self.path, form, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is no failure
        issuer.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield issuer
        finally:
            issuer.released.set()
            server.shutdown()


def trust(services: Services, issuer: Issuer, **settings: Any) -> None:
    """Let a deployment have the issuer as its sign-in provider."""
    services.settings = provider_settings(services.settings, issuer, **settings)
    services.identity_provider = open_provider(services.settings)


def provider_settings(settings: Settings, issuer: Issuer, **changes: Any) -> Settings:
    return replace(settings, oidc_issuer=issuer.url, oidc_client_id=CLIENT_ID, **changes)


def segment(document: Mapping[str, Any]) -> str:
    """Return a part of a token that a test makes by hand."""
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
