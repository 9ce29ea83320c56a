"""Check of the identity provider: its document, its endpoints and its keys."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from soundlift.cli.doctor.finding import Check, Finding, ok, warning
from soundlift.common.services import Services
from soundlift.common.setting_types import is_loopback

PART = "sign-in provider"


def check_provider(services: Services) -> Iterator[Finding]:
    """Yield findings if a provider is set: that its keys can be read, and what would keep people from signing in."""
    provider = services.identity_provider
    if provider is None:
        return
    keys = list(provider.keys().get_jwk_set())
    many = "key" if len(keys) == 1 else "keys"
    yield ok(PART, f"{provider.client.issuer} answers, with {len(keys)} {many} for ID tokens")
    public = urlsplit(services.settings.public_url)
    if public.scheme == "http" and not is_loopback(public.hostname or ""):
        detail = "PUBLIC_URL is http://, so that browsers cannot make the challenge of a sign-in"
        yield warning(PART, detail, "set it to an https:// address, and register its redirect address at the provider")


CHECK = Check(PART, "check OIDC_ISSUER, OIDC_CA_FILE, and that the provider can be reached from here", check_provider)
