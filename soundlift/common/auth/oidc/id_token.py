"""The verification of an ID token (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from soundlift.common.auth.oidc.keys import ALGORITHMS, ProviderKeys
from soundlift.common.errors import ProviderSignInRefused

MAX_LENGTH = 32 * 1024
LEEWAY_SECONDS = 30  # by which the clocks of two machines may differ
REQUIRED = ["iss", "aud", "sub", "exp", "iat", "nonce"]


def verify_id_token(token: str, keys: ProviderKeys, *, issuer: str, client_id: str, nonce: str) -> Mapping[str, Any]:
    """Return the claims of an ID token that an issuer made for a client and a nonce.

    Only the header's `alg`, which must be one of ALGORITHMS, and `kid` are read before the signature is verified: keys
    that a token contains or points to (`jwk`, `jku`, `x5c`, `x5u`) are not used. Raises ProviderSignInRefused, whose
    evidence has the reason, or ProviderUnavailable.
    """
    try:
        if len(token) > MAX_LENGTH:
            raise jwt.DecodeError("it is too long")
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("its algorithm is not allowed")
        claims: Mapping[str, Any] = jwt.decode(
            token,
            keys.get_signing_key(header.get("kid")),
            algorithms=ALGORITHMS,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED, "verify_aud": False},  # PyJWT's strict_aud refuses a list, even of one
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise refusal(f"the ID token is not valid: {error}") from None
    if not _is_for(client_id, claims):
        raise refusal("the ID token is for another client")
    if claims["nonce"] != nonce:
        raise refusal("the ID token is of another sign-in")
    return claims


def refusal(reason: str) -> ProviderSignInRefused:
    """Return the error of a sign-in that failed, with a reason for the log."""
    return ProviderSignInRefused("The sign-in with the provider did not work. Sign in again.", reason=reason)


def _is_for(client_id: str, claims: Mapping[str, Any]) -> bool:
    """Return whether a client is the only audience, or one of several for which it asked (`azp`)."""
    audience, party = claims["aud"], claims.get("azp")
    if party is not None and party != client_id:
        return False
    if not isinstance(audience, list):
        return bool(audience == client_id)
    return client_id in audience and (len(audience) == 1 or party == client_id)
