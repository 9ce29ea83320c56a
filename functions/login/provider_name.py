"""The name of the identity provider for people."""

from __future__ import annotations

from urllib.parse import urlsplit

from soundlift.common.settings import Settings


def provider_name(settings: Settings) -> str | None:
    """Return the name that the operator gave the provider, or its host; None without a provider."""
    if not settings.oidc_issuer:
        return None
    return settings.oidc_name or urlsplit(settings.oidc_issuer).hostname
