"""What an identity provider says about itself (OpenID Connect Discovery 1.0, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from soundlift.common.errors import ProviderUnavailable
from soundlift.common.setting_types import is_loopback

PATH = "/.well-known/openid-configuration"
BASIC, POST = "client_secret_basic", "client_secret_post"


@dataclass(frozen=True)
class ProviderMetadata:
    """The endpoints of a provider, and whether it takes a client's secret by HTTP Basic rather than in the form."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    takes_basic: bool


def discovery_url(issuer: str) -> str:
    """Return where the document of an issuer is."""
    return issuer.rstrip("/") + PATH


def parse_metadata(document: Mapping[str, Any], issuer: str) -> ProviderMetadata:
    """Return what a document says; raises ProviderUnavailable unless it is that of the issuer."""
    named = document.get("issuer")
    if named != issuer:
        raise ProviderUnavailable(f"{discovery_url(issuer)} is that of the issuer {named!r}; set OIDC_ISSUER to it.")
    methods = document.get("token_endpoint_auth_methods_supported", [BASIC])
    takes_basic = BASIC in methods if isinstance(methods, list) else True
    userinfo = document.get("userinfo_endpoint")
    return ProviderMetadata(
        _endpoint(document, "authorization_endpoint", issuer),
        _endpoint(document, "token_endpoint", issuer),
        _endpoint(document, "jwks_uri", issuer),
        None if userinfo is None else _endpoint(document, "userinfo_endpoint", issuer),
        takes_basic,
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """Return an endpoint, which must be https, or http on this machine if the issuer is that too."""
    url = document.get(name)
    if (
        not isinstance(url, str)
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or not _is_safe(url, issuer)
    ):
        raise ProviderUnavailable(f"{discovery_url(issuer)} has no {name} that is an https:// address.")
    return url


def _is_safe(url: str, issuer: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    is_local = issuer.startswith("http://") and is_loopback(parts.hostname)
    return parts.scheme == "https" or (parts.scheme == "http" and is_local)
