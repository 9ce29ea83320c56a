"""The documents of an identity provider: how long they are used, and what a provider that misbehaves can do."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from jwt import PyJWKClientError
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from devservers.certificates import Authority
from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.auth.oidc import provider as provider_module
from soundlift.common.auth.oidc.discovery import discovery_url, parse_metadata
from soundlift.common.auth.oidc.json_exchange import MAX_BYTES, JsonExchange
from soundlift.common.auth.oidc.provider import Client, IdentityProvider
from soundlift.common.errors import ProviderUnavailable, SettingError
from tests.factories.issuer import CLIENT_ID, DISCOVERY, JWKS, Issuer, new_key, public_jwk, running_issuer

HOUR = 3600.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> IdentityProvider:
    """Return a provider whose documents are waited for as long as a test needs."""
    monkeypatch.setattr(provider_module, "DOCUMENT_SECONDS", 2 * DEADLINE_SECONDS)
    return IdentityProvider(Client(issuer.url, CLIENT_ID, "http://127.0.0.1:8080/web/"), clock=clock)


def has_key(provider: IdentityProvider, kid: str = "1") -> bool:
    try:
        return provider.keys().get_signing_key(kid).key_id == kid
    except PyJWKClientError:
        return False


def serve_keys(issuer: Issuer, *keys: dict[str, Any]) -> None:
    document = json.dumps({"keys": keys}).encode()
    issuer.answers[JWKS] = lambda: document


def test_documents_are_loaded_at_most_once_an_hour(provider: IdentityProvider, issuer: Issuer, clock: Clock) -> None:
    for _ in range(3):
        assert has_key(provider)
        clock.seconds += HOUR / 3 - 1
    assert issuer.requests == {DISCOVERY: 1, JWKS: 1}
    clock.seconds += 4
    assert has_key(provider)
    assert issuer.requests == {DISCOVERY: 2, JWKS: 2}


def test_a_flood_of_unknown_keys_loads_the_keys_once_in_thirty_seconds(
    provider: IdentityProvider, issuer: Issuer, clock: Clock
) -> None:
    assert has_key(provider)
    clock.seconds += 31
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda number: has_key(provider, f"unknown {number}"), range(100)))
    assert issuer.requests[JWKS] == 2
    clock.seconds += 29
    assert not has_key(provider, "unknown")
    assert issuer.requests[JWKS] == 2
    clock.seconds += 1
    serve_keys(issuer, public_jwk(issuer.key, "1"), public_jwk(new_key(), "new"))
    assert has_key(provider, "new")
    assert issuer.requests[JWKS] == 3


def test_the_last_good_documents_are_used_for_a_day_while_the_provider_is_away(
    provider: IdentityProvider, issuer: Issuer, clock: Clock
) -> None:
    assert has_key(provider)
    issuer.is_away = True
    for seconds in (HOUR, 22 * HOUR, HOUR - 1):
        clock.seconds += seconds
        assert has_key(provider)
    clock.seconds += 1
    with pytest.raises(ProviderUnavailable):
        has_key(provider)
    issuer.is_away = False
    clock.seconds += 30
    assert has_key(provider)


def test_a_failure_is_remembered_for_thirty_seconds(provider: IdentityProvider, issuer: Issuer, clock: Clock) -> None:
    issuer.is_away = True
    for pause in (0, 29, 1, 29):
        clock.seconds += pause
        with pytest.raises(ProviderUnavailable) as raised:
            has_key(provider)
        assert "status 503" in raised.value.detail
    assert issuer.requests == {DISCOVERY: 2}


def test_a_key_that_the_provider_has_removed_is_not_used_after_the_next_load(
    provider: IdentityProvider, issuer: Issuer, clock: Clock
) -> None:
    assert has_key(provider)
    serve_keys(issuer, public_jwk(new_key(), "2"))
    clock.seconds += HOUR
    assert has_key(provider, "2")
    assert not has_key(provider)


def test_a_hung_provider_is_waited_for_by_one_request_and_stalls_none_that_has_keys(
    provider: IdentityProvider, issuer: Issuer, clock: Clock
) -> None:
    """Whoever needs no load goes on at once; all others have waited for the same one, and use the last good keys."""
    assert has_key(provider)
    began = threading.Event()

    def hang() -> bytes:
        began.set()
        issuer.released.wait(2 * DEADLINE_SECONDS)
        return b"{}"

    issuer.answers[JWKS] = hang
    clock.seconds += 31
    with ThreadPoolExecutor(5) as pool:
        unknown = [pool.submit(has_key, provider, f"unknown {number}") for number in range(4)]
        assert began.wait(DEADLINE_SECONDS)
        assert pool.submit(has_key, provider).result(DEADLINE_SECONDS)
        issuer.released.set()
        assert not any(each.result(DEADLINE_SECONDS) for each in unknown)
    assert issuer.requests[JWKS] == 2


def test_only_strong_keys_for_signatures_are_used(provider: IdentityProvider, issuer: Issuer, clock: Clock) -> None:
    strong = rsa.generate_private_key(65537, 2048).public_key()
    weak = rsa.generate_private_key(65537, 1024).public_key()
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    good = {
        "rsa": RSAAlgorithm.to_jwk(strong, as_dict=True),
        "edwards": OKPAlgorithm.to_jwk(edwards, as_dict=True),
        "curve": public_jwk(issuer.key, ""),
    }
    bad = {
        "weak": RSAAlgorithm.to_jwk(weak, as_dict=True),
        "symmetric": {"kty": "oct", "k": "AAAA" * 11},
        "symmetric as RSA": {"kty": "oct", "k": "AAAA" * 11, "alg": "RS256"},
        "another algorithm": {**RSAAlgorithm.to_jwk(strong, as_dict=True), "alg": "RS512"},
        "for encryption": {**RSAAlgorithm.to_jwk(strong, as_dict=True), "use": "enc"},
        "malformed": {"kty": "EC", "crv": "P-256", "x": "?", "y": []},
    }
    serve_keys(issuer, *({**key, "kid": name} for name, key in (good | bad).items()))
    assert {name for name in good | bad if has_key(provider, name)} == set(good)
    with pytest.raises(PyJWKClientError):  # a token must name one of several
        provider.keys().get_signing_key(None)
    serve_keys(issuer, RSAAlgorithm.to_jwk(strong, as_dict=True))
    clock.seconds += HOUR
    assert provider.keys().get_signing_key(None).algorithm_name == "RS256"
    serve_keys(issuer, *bad.values())
    clock.seconds += HOUR
    assert provider.keys().get_signing_key(None).algorithm_name == "RS256"  # the last good one


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[]", b"null", b"{}", b'{"keys": 1}', b'{"keys": [1]}', b"\xff"],
    ids=lambda body: repr(body[:8]),
)
def test_an_unusable_set_of_keys_is_an_unavailable_provider(
    provider: IdentityProvider, issuer: Issuer, body: bytes
) -> None:
    issuer.answers[JWKS] = lambda: body
    with pytest.raises(ProviderUnavailable):
        has_key(provider)


def test_a_set_of_keys_may_have_256_kib(provider: IdentityProvider, issuer: Issuer, clock: Clock) -> None:
    keys = json.dumps({"keys": [public_jwk(issuer.key, "1")]}).encode()
    issuer.answers[JWKS] = lambda: keys.ljust(MAX_BYTES + 1)
    with pytest.raises(ProviderUnavailable):
        has_key(provider)
    issuer.answers[JWKS] = lambda: keys.ljust(MAX_BYTES)
    clock.seconds += 30
    assert has_key(provider)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://another.example.org"},
        {"issuer": None},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"jwks_uri": "http://example.org/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"userinfo_endpoint": "https://user@example.org/"},
        {"jwks_uri": "https://[::1/keys"},
        {"jwks_uri": "https://example.org/a b"},
    ],
    ids=str,
)
def test_metadata_of_another_issuer_or_with_an_unsafe_endpoint_is_refused(changes: dict[str, Any]) -> None:
    issuer = Issuer("http://127.0.0.1:1")
    assert parse_metadata(issuer.metadata(), issuer.url).jwks_uri == "http://127.0.0.1:1/jwks"
    with pytest.raises(ProviderUnavailable):
        parse_metadata(issuer.metadata(**changes), issuer.url)


def test_endpoints_of_an_https_issuer_must_be_https() -> None:
    names = ("token_endpoint", "jwks_uri", "authorization_endpoint")
    document = {"issuer": "https://example.org/realm/", **{name: f"https://example.com/{name}" for name in names}}
    assert parse_metadata(document, "https://example.org/realm/").takes_basic
    assert discovery_url("https://example.org/realm/") == "https://example.org/realm/.well-known/openid-configuration"
    with pytest.raises(ProviderUnavailable):
        parse_metadata({**document, "jwks_uri": "http://127.0.0.1/keys"}, "https://example.org/realm/")


@contextmanager
def raw_server(parts: Iterator[bytes]) -> Iterator[str]:
    """Run a server that sends parts of a response to its only client, and return its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    for part in parts:
                        connection.sendall(part)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/keys"
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()  # the client has ended its connection


def dripping(head: bytes, drop: bytes, *, drops: int = 400) -> Iterator[bytes]:
    """Yield the beginning of a response, and a little more every 0.05 seconds."""
    yield head
    never = threading.Event()
    for _ in range(drops):
        never.wait(0.05)
        yield drop


@pytest.mark.parametrize(
    "parts",
    [
        dripping(b"HTTP/1.1 200 OK\r\nA: ", b"b"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        dripping(b"", b"", drops=20),
    ],
    ids=["slow headers", "a slow body", "silence"],
)
def test_an_answer_that_takes_too_long_is_given_up(parts: Iterator[bytes]) -> None:
    with raw_server(parts) as url:
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            JsonExchange(seconds=0.3).get(url)
        assert time.monotonic() - began < 10  # the drops of a whole response take twice as long


def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {issuer.url}{JWKS}\r\n\r\n{{}}".encode()
    with raw_server(iter([answer])) as url, pytest.raises(ProviderUnavailable):
        JsonExchange(seconds=30).get(url)
    assert not issuer.requests


def test_only_a_certificate_of_the_system_s_cas_or_the_given_one_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue())
    with running_issuer(context) as issuer:
        assert JsonExchange(str(authority.ca_file), seconds=30).get(f"{issuer.url}{JWKS}")
        for exchange in (JsonExchange(seconds=30), JsonExchange(str(Authority(tmp_path).ca_file), seconds=30)):
            with pytest.raises(ProviderUnavailable) as raised:
                exchange.get(f"{issuer.url}{JWKS}")
            assert "certificate" in raised.value.detail


def test_a_missing_or_damaged_file_of_the_ca_is_an_error_of_its_setting(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("no certificate")
    for file in (damaged, tmp_path / "missing.pem"):
        with pytest.raises(SettingError, match="OIDC_CA_FILE"):
            JsonExchange(str(file), seconds=30).get("https://127.0.0.1/")


def test_a_provider_that_cannot_be_reached_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/", "https://name.invalid/"):
        with pytest.raises(ProviderUnavailable):
            JsonExchange(seconds=30).get(url)
