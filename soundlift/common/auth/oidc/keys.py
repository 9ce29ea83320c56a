"""The public keys of an identity provider."""

from __future__ import annotations

import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWKClient, PyJWKClientError, PyJWKSet, PyJWKSetError

from soundlift.common.auth.oidc.json_exchange import JsonExchange
from soundlift.common.auth.oidc.remembered import Clock, Remembered
from soundlift.common.errors import ProviderUnavailable

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
ALGORITHMS = ("RS256", "ES256", "EdDSA")


class ProviderKeys(PyJWKClient):
    """PyJWT's client of a JWK Set, with the properties that it lacks.

    The body is limited; the last good keys are used while the provider is away, and a failure is remembered, as
    `Remembered` states; no lock is held during a request, so that a hung provider stalls nobody else; a key that the
    provider has removed is not used after the next load (https://github.com/jpadilla/pyjwt/issues/1051); and symmetric
    keys are left out. Every method that reads keys raises ProviderUnavailable.
    """

    def __init__(self, uri: str, exchange: JsonExchange, *, clock: Clock = time.monotonic) -> None:
        super().__init__(uri, cache_jwk_set=False, timeout=exchange.seconds)
        self._exchange = exchange
        self._remembered = Remembered(self._load, clock=clock)

    def fetch_data(self) -> Any:
        """Return the JWK Set at the URI."""
        return self._exchange.get(self.uri)

    def get_jwk_set(self, refresh: bool = False) -> PyJWKSet:
        """Return the keys; `refresh` loads them again, unless that was attempted a moment ago."""
        return self._remembered.get(refresh=refresh)

    def get_signing_key(self, kid: str | None) -> PyJWK:
        """Return the key with an id, or the only key if a token names none; raises PyJWKClientError.

        An unknown id may be that of a new key: the keys are loaded again, once in PAUSE_SECONDS.
        """
        key = _find(self.get_jwk_set(), kid) or _find(self.get_jwk_set(refresh=True), kid)
        if key is None:
            raise PyJWKClientError("The provider has no such key.")
        return key

    def _load(self) -> PyJWKSet:
        try:
            keys = PyJWKSet.from_dict(self.fetch_data())
        except PyJWKSetError:
            keys = None
        usable = [key for key in keys or () if _is_usable(key)]
        if keys is None or not usable:
            raise ProviderUnavailable(f"{self.uri} has no key for {', '.join(ALGORITHMS)}.")
        keys.keys = usable
        return keys


def _find(keys: PyJWKSet, kid: str | None) -> PyJWK | None:
    """Return the key with an id, which a token must name unless there is one key only (OIDC Core, section 10.1)."""
    found = list(keys) if kid is None else [key for key in keys if key.key_id == kid]
    return found[0] if len(found) == 1 or (found and kid is not None) else None


def _is_usable(key: PyJWK) -> bool:
    """Return whether a key verifies signatures with one of ALGORITHMS, and is strong enough for it."""
    if key.public_key_use not in ("sig", None):
        return False
    match key.algorithm_name, key.key:
        case "RS256", RSAPublicKey() as rsa:
            return MIN_RSA_BITS <= rsa.key_size <= MAX_RSA_BITS
        case "ES256", EllipticCurvePublicKey() as point:
            return isinstance(point.curve, SECP256R1)
        case "EdDSA", Ed25519PublicKey():
            return True
    return False
