"""Checks of the settings: each malformed one, and those that contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from soundlift.cli.doctor.finding import Finding, failed, ok, warning
from soundlift.cli.doctor.hosts import is_loopback, is_private
from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.broker.routes import queues_by_topic
from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings

PART = "settings"
SERVICES = {"database_url": "DATABASE_URL", "broker_url": "BROKER_URL", "media_url": "MEDIA_URL"}
MIN_DISTINCT_CHARACTERS = 12  # 32 random bytes, in any encoding, have more
PLATFORM_SECONDS = 600  # of a request, and of a stopping pod, in deploy/ and in stack.yml
PAIRS = (
    ("mysql_ssl_cert", "mysql_ssl_key"),
    ("broker_cert_file", "broker_key_file"),
)

Rule = Callable[[Settings], Iterable[Finding]]


def check_settings(settings: Settings, errors: Sequence[SettingError]) -> Iterator[Finding]:
    """Yield what is wrong with the settings, or that nothing is."""
    malformed = [
        failed(PART, error.detail.rstrip("."), "correct it, or remove it to use its default") for error in errors
    ]
    faulty = {str(error.evidence.get("setting", "")).lower() for error in errors}
    contradictions = [finding for rule in RULES for finding in rule(settings)]
    # A malformed setting has its default, so what follows from it is no finding.
    found = malformed + [
        one for one in contradictions if not any(name and name.upper() in one.detail for name in faulty)
    ]
    yield from found
    if not found:
        yield ok(PART, "none is malformed, missing or contradicts another")


def _services(settings: Settings) -> Iterator[Finding]:
    for name, variable in SERVICES.items():
        if not getattr(settings, name):
            advice = f"set {variable}, or EMBEDDED=true for a single machine"
            yield failed(PART, f"{variable} is missing, and EMBEDDED is false", advice)


def _signing_key(settings: Settings) -> Iterator[Finding]:
    if not settings.jwt_secret and not settings.embedded:
        yield failed(PART, "JWT_SECRET is missing", "set it to 32 random bytes, such as from `openssl rand -base64 32`")
    if any(len(set(key)) < MIN_DISTINCT_CHARACTERS for key in settings.jwt_secret):
        advice = "replace it by 32 random bytes, such as from `openssl rand -base64 32`"
        yield failed(PART, "JWT_SECRET is easy to guess: it consists of few different characters", advice)


def _public_address(settings: Settings) -> Iterator[Finding]:
    address = urlsplit(settings.public_url)
    host = address.hostname or ""
    if address.scheme == "http" and not is_private(host):
        advice = "put a proxy with a certificate in front, and set PUBLIC_URL to its https:// address"
        yield failed(PART, f"PUBLIC_URL is http:// on the public host {host}: passwords are sent unencrypted", advice)
    if is_loopback(host) and not settings.embedded:
        detail = f"PUBLIC_URL is {settings.public_url}: links in mails lead to their reader's own machine"
        yield failed(PART, detail, "set it to the address that clients use")


def _times(settings: Settings) -> Iterator[Finding]:
    conversion, drain = settings.max_conversion_seconds, settings.drain_seconds
    if not settings.embedded and conversion >= PLATFORM_SECONDS:
        detail = f"MAX_CONVERSION_SECONDS is {conversion}, but a request of the manifests in deploy/ ends after 600 s"
        yield warning(PART, detail, "raise the timeouts of the platform above it, or lower it")
    if drain > conversion:
        detail = f"DRAIN_SECONDS is {drain}, more than MAX_CONVERSION_SECONDS, {conversion}"
        yield warning(PART, detail, "lower it: no conversion takes longer")
    if not settings.embedded and drain >= PLATFORM_SECONDS:
        detail = f"DRAIN_SECONDS is {drain}, but a pod of the manifests in deploy/ is killed after 600 s"
        yield warning(PART, detail, "raise terminationGracePeriodSeconds or write_timeout above it, or lower it")


def _limits(settings: Settings) -> Iterator[Finding]:
    if 0 < settings.max_stored_bytes < settings.max_upload_bytes:
        detail = "MAX_STORED_BYTES is less than MAX_UPLOAD_BYTES: no user may upload the largest video"
        yield warning(PART, detail, "raise MAX_STORED_BYTES, or lower MAX_UPLOAD_BYTES")
    if settings.long_polls >= settings.threads:
        detail = (
            f"LONG_POLLS is {settings.long_polls}, and THREADS {settings.threads}: waiting clients block all others"
        )
        yield failed(PART, detail, "set THREADS to more than LONG_POLLS")


def _pairs(settings: Settings) -> Iterator[Finding]:
    for pair in PAIRS:
        missing = [name.upper() for name in pair if not getattr(settings, name)]
        if len(missing) == 1:
            other = next(name.upper() for name in pair if name.upper() not in missing)
            yield failed(PART, f"{missing[0]} is missing, but {other} is set", "set both, or neither")


def _names(settings: Settings) -> Iterator[Finding]:
    for read in (queues_by_topic, login_headers):
        try:
            read(settings)
        except SettingError as error:
            yield failed(PART, error.detail.rstrip("."), "see docs/settings.md")


RULES: Sequence[Rule] = (_services, _signing_key, _public_address, _times, _limits, _pairs, _names)
