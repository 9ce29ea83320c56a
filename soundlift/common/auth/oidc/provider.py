"""The identity provider at which people sign in: authorization code with PKCE (OpenID Connect Core 1.0; RFC 7636)."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote_plus, urlsplit

from soundlift.common.auth.bounded_pool import BoundedPool
from soundlift.common.auth.oidc.discovery import ProviderMetadata, discovery_url, parse_metadata
from soundlift.common.auth.oidc.id_token import refusal, verify_id_token
from soundlift.common.auth.oidc.json_exchange import Answer, JsonExchange
from soundlift.common.auth.oidc.keys import ProviderKeys
from soundlift.common.auth.oidc.remembered import Clock, Remembered
from soundlift.common.errors import ProviderSignInRefused, ProviderUnavailable, UnverifiedAddress
from soundlift.common.settings import Settings

DOCUMENT_SECONDS = 3.0
TOKEN_SECONDS = 10.0
CONCURRENCY, QUEUE, WAIT_SECONDS = 8, 8, 2.0  # half of THREADS: a hung provider leaves the others for passwords
# The code, not this client, was refused (RFC 6749, section 5.2).
CODE_ERRORS = {"invalid_grant", "invalid_request"}


@dataclass(frozen=True)
class Client:
    """How the provider knows this deployment; the secret is empty for a public client."""

    issuer: str
    client_id: str
    redirect_uri: str
    client_secret: str = field(default="", repr=False)


class IdentityProvider:
    """The provider of a deployment. Every method raises ProviderUnavailable."""

    scope = "openid email"

    def __init__(self, client: Client, *, ca_file: str = "", clock: Clock = time.monotonic) -> None:
        """Make a provider without connecting to it."""
        self.client = client
        self._documents = JsonExchange(ca_file, seconds=DOCUMENT_SECONDS)
        self._tokens = JsonExchange(ca_file, seconds=TOKEN_SECONDS)
        self._clock = clock
        self._metadata = Remembered(self._discover, clock=clock)
        self._keys: ProviderKeys | None = None
        self._choosing_keys = Lock()
        self._pool = BoundedPool(
            "sign-in",
            threads=CONCURRENCY,
            queue=QUEUE,
            wait_seconds=WAIT_SECONDS,
            busy_message="Too many people are signing in; retry shortly.",
        )

    def metadata(self) -> ProviderMetadata:
        """Return what the provider says about itself."""
        return self._metadata.get()

    def keys(self) -> ProviderKeys:
        """Return the keys at the address that the provider names."""
        uri = self.metadata().jwks_uri
        with self._choosing_keys:
            if self._keys is None or self._keys.uri != uri:
                self._keys = ProviderKeys(uri, self._documents, clock=self._clock)
            return self._keys

    def verified_address(self, *, code: str, verifier: str, nonce: str) -> str:
        """Redeem a code, and return the verified email address of the person who signed in, as the provider writes it.

        The verifier (RFC 7636) and the nonce are those that the page had made up. Also raises ProviderSignInRefused,
        UnverifiedAddress, and Busy if too many codes are being redeemed.
        """
        return self._pool.run(self._verified_address, code, verifier, nonce)

    def _verified_address(self, code: str, verifier: str, nonce: str) -> str:
        tokens = self._redeem(code, verifier)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise refusal("the provider returned no ID token")
        client = self.client
        claims = verify_id_token(id_token, self.keys(), issuer=client.issuer, client_id=client.client_id, nonce=nonce)
        if "email" not in claims:
            claims = self._user_info(tokens, claims)
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise UnverifiedAddress("The provider has not verified your email address. Verify it there first.")
        return email

    def _redeem(self, code: str, verifier: str) -> Mapping[str, Any]:
        """Return the tokens for a code (RFC 6749, section 4.1.3)."""
        metadata, client = self.metadata(), self.client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
            "client_id": client.client_id,
        }
        headers = {}
        if client.client_secret and metadata.takes_basic:
            headers["Authorization"] = _basic(client)
        elif client.client_secret:
            form["client_secret"] = client.client_secret
        answer = self._tokens.post(metadata.token_endpoint, form, headers)
        if answer.status == 200:
            return answer.document
        raise self._token_error(answer)

    def _token_error(self, answer: Answer) -> ProviderSignInRefused | ProviderUnavailable:
        error = answer.document.get("error")
        if answer.status == 400 and error in CODE_ERRORS:
            return refusal(f"the provider refused the code: {error}")
        host = urlsplit(self.client.issuer).hostname
        return ProviderUnavailable(f"The token endpoint of {host} returned status {answer.status}, error {error!r}.")

    def _user_info(self, tokens: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claims of the UserInfo endpoint, where some providers have the address (Core 1.0, section 5.3)."""
        url, access_token = self.metadata().userinfo_endpoint, tokens.get("access_token")
        if url is None or not isinstance(access_token, str) or not access_token.isascii():
            return claims
        found = self._documents.get(url, {"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != claims["sub"]:
            raise refusal("the UserInfo endpoint describes another person")
        return found

    def _discover(self) -> ProviderMetadata:
        issuer = self.client.issuer
        return parse_metadata(self._documents.get(discovery_url(issuer)), issuer)


def open_provider(settings: Settings) -> IdentityProvider:
    """Return the provider of the settings, without connecting to it."""
    client = Client(
        settings.oidc_issuer, settings.oidc_client_id, f"{settings.public_url}/web/", settings.oidc_client_secret
    )
    return IdentityProvider(client, ca_file=settings.oidc_ca_file)


def _basic(client: Client) -> str:
    """Return the header of a client with a secret, each form-encoded first (RFC 6749, section 2.3.1)."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return f"Basic {b64encode(pair.encode()).decode()}"
