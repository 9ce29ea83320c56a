"""The declaration of a setting, and the parsers of settings.

A parser converts a text to a value, or raises ValueError with a message that states what the text must be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote, urlsplit

from soundlift.common.options.values import MP3_BITRATE

MIN_KEY_BYTES = 32
ALL_NETWORKS = ("0.0.0.0/0", "::/0")
MAX_KEYS = 8
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110, section 5.6.2
# The OpenTelemetry specification's names for OTEL_TRACES_SAMPLER; the last three follow the caller's decision.
SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)


def setting(help_: str, default: Any = None, parse: Callable[[str], Any] = str, *, secret: bool = False) -> Any:
    """Declare a field as a setting for users, with the sentence that documents it."""
    metadata = {"help": help_, "parse": parse, "secret": secret, "internal": False}
    return field(default=default, repr=not secret, metadata=metadata)


def internal_setting(help_: str, default: Any, parse: Callable[[str], Any]) -> Any:
    """Declare a field as a setting that a supervisor sets for its children."""
    return field(default=default, metadata={"help": help_, "parse": parse, "secret": False, "internal": True})


DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
FUNCTION_NAME = re.compile("[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # the name of a Service in Kubernetes (RFC 1123)


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def not_negative(text: str) -> int:
    """Return a whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


def between(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds."""

    def parse(text: str) -> int:
        value = int(text)
        if not lowest <= value <= highest:
            raise ValueError(f"must be from {lowest} to {highest}")
        return value

    return parse


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return IP addresses and networks separated by commas; * means all."""
    names = ALL_NETWORKS if text.strip() == "*" else [name.strip() for name in text.split(",") if name.strip()]
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError as error:
        raise ValueError(f"must be IP addresses or networks separated by commas, or *; {error}") from None


def web_address(text: str) -> str:
    """Return an http:// or https:// address without a trailing slash."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("must be an http:// or https:// address")
    _ = urlsplit(text).port  # raises ValueError for a malformed port or IPv6 address
    return text.rstrip("/")


def optional_web_address(text: str) -> str:
    """Return a web address without a path or a login, or an empty text."""
    address = web_address(text) if text else ""
    parts = urlsplit(address)
    if "@" in parts.netloc or parts.path:
        raise ValueError("must have no user, password or path")
    return address


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, where no one can read the traffic (RFC 6761, section 6.3)."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def issuer(text: str) -> str:
    """Return the address of an OpenID Connect issuer exactly as it is written, or an empty text.

    It must be https (OpenID Connect Discovery 1.0, section 3), except on this machine.
    """
    if not text:
        return ""
    web_address(text)
    parts = urlsplit(text)
    is_safe = parts.scheme == "https" or is_loopback(parts.hostname or "")
    if not is_safe or not text.isascii() or "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("must be an https:// address without user, query and fragment")
    return text


def collector_address(text: str) -> str:
    """Return a web address without a login, or an empty text."""
    address = web_address(text) if text else ""
    if "@" in urlsplit(address).netloc:
        raise ValueError("must have no user or password; OTEL_EXPORTER_OTLP_HEADERS can log in")
    return address


def collector_headers(text: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of NAME=VALUE,…, whose values are percent-encoded (OTLP exporter specification)."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    headers = tuple((name.strip().lower(), unquote(value.strip())) for name, _, value in pairs)
    if not all(HEADER.fullmatch(name) and value.isascii() and value.isprintable() for name, value in headers):
        raise ValueError("must be NAME=VALUE pairs, separated by commas, with percent-encoded values")
    return headers


def sampler(text: str) -> str:
    """Return the name of a sampler."""
    if text not in SAMPLERS:
        raise ValueError(f"must be one of {', '.join(SAMPLERS)}")
    return text


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("must be from 0 to 1")
    return value


def domains(text: str) -> tuple[str, ...]:
    """Return the domains of DOMAIN,… in lower case."""
    names = tuple(name.strip().lower() for name in text.split(",")) if text.strip() else ()
    if not all(DOMAIN.fullmatch(name) for name in names):
        raise ValueError("must be domains such as example.org, separated by commas")
    return names


ANY_ORIGIN = "*"
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}


def origins(text: str) -> tuple[str, ...]:
    """Return origins, separated by commas, as browsers write them (RFC 6454, section 6.2), or * alone."""
    if text.strip() == ANY_ORIGIN:
        return (ANY_ORIGIN,)
    return tuple(_origin(each.strip()) for each in text.split(",") if each.strip())


def _origin(text: str) -> str:
    found = ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} must be an origin such as https://app.example.org, without a path, or * alone")
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    return f"{scheme}://{host}" if port in (None, DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{int(port)}"


def addresses_by_queue(text: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of QUEUE=ADDRESS,…."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    addresses = {queue.strip(): web_address(address.strip()) for queue, _, address in pairs}
    if len(addresses) < len(pairs) or not all(addresses):
        raise ValueError("must be QUEUE=ADDRESS pairs, separated by commas, each queue once")
    return tuple(addresses.items())


def functions_by_topic(text: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of TOPIC=FUNCTION,…."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    functions = tuple((topic.strip(), function.strip()) for topic, _, function in pairs)
    if not all(topic and FUNCTION_NAME.fullmatch(function) for topic, function in functions):
        raise ValueError("must be TOPIC=FUNCTION pairs, separated by commas")
    return functions


def bitrate(text: str) -> str:
    """Return a bit rate as it was given, such as 192k."""
    if not text.endswith("k"):
        raise ValueError(f"must be {MP3_BITRATE.allowed} followed by k, such as 192k")
    MP3_BITRATE.read(text)
    return text


def kilobits(text: str) -> int:
    """Return a bit rate in kbit/s."""
    return int(bitrate(text).removesuffix("k"))


def level_name(text: str) -> str:
    """Return the name of a log level in lower case."""
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be debug, info, warning or error")
    return text.lower()


def sandbox_mode(text: str) -> str:
    """Return a mode of the sandbox."""
    if text not in ("auto", "required", "off"):
        raise ValueError("must be auto, required or off")
    return text


def queue_kind(text: str) -> str:
    """Return a kind of RabbitMQ queue."""
    if text not in ("quorum", "classic"):
        raise ValueError("must be quorum or classic")
    return text


def boolean(text: str) -> bool:
    """Return whether a text is true rather than false."""
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def signing_keys(text: str) -> tuple[str, ...]:
    """Return keys, one per line, that are each long enough for HS256 (RFC 7518, section 3.2)."""
    keys = tuple(filter(None, (line.strip() for line in text.split("\n"))))
    if not keys or any(len(key.encode()) < MIN_KEY_BYTES for key in keys):
        raise ValueError(f"must be a key of at least {MIN_KEY_BYTES} bytes, or several, one per line")
    if len(set(keys)) < len(keys) or len(keys) > MAX_KEYS:
        raise ValueError(f"must be at most {MAX_KEYS} different keys, one per line")
    return keys
