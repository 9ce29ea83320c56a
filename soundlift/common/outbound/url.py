"""The URL of a request, read strictly: a text that others may understand differently is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NoReturn
from urllib.parse import quote, urljoin, urlsplit

import idna

from soundlift.common.outbound.errors import BadUrl
from soundlift.common.outbound.policy import OutboundPolicy, plain_address

MAX_URL_LENGTH = 2048
MAX_HOST_LENGTH = 253
PORTS = {"http": 80, "https": 443}
FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029\ufffe\uffff]|[\ud800-\udfff]|\s")
LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"{LABEL}(?:\.{LABEL})*")
# Such a host is an IPv4 address, also in octal, hexadecimal or with fewer parts (WHATWG URL, "ends in a number").
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
UNRESERVED = "%/:?#[]@!$&'()*+,;=~-._"  # RFC 3986, section 2.2; and percent signs, which are left as they are


@dataclass(frozen=True)
class Url:
    """An absolute http or https URL. `host` is ASCII and in lower case, `target` is its path and query, in ASCII."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Return the scheme, the host and, unless it is the usual one, the port: what may be shown and logged."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port == PORTS[self.scheme] else f':{self.port}'}"

    @property
    def path(self) -> str:
        """Return the path, percent-encoded."""
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"

    def join(self, reference: str, policy: OutboundPolicy) -> Url:
        """Return the URL of a redirect from this one (RFC 9110, section 10.2.2); raises BadUrl.

        The bytes beyond ASCII of its Location, which http.client passes as Latin-1, are percent-encoded.
        """
        try:
            text = urljoin(str(self), quote(reference.strip().encode("latin-1"), safe=UNRESERVED))
        except ValueError:  # a malformed IPv6 address, or a character beyond Latin-1
            raise BadUrl("The redirect leads to a malformed URL.") from None
        return parse_url(text, policy)


def parse_url(text: str, policy: OutboundPolicy) -> Url:
    """Return a URL without its fragment; raises BadUrl with a sentence that names the rule it violates."""
    too_long = BadUrl(f"The URL must have at most {MAX_URL_LENGTH} characters, also when it is percent-encoded.")
    if len(text) > MAX_URL_LENGTH:
        raise too_long
    if FORBIDDEN.search(text):
        raise BadUrl("The URL contains a space, a backslash or a control character; percent-encode it.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadUrl("The URL is malformed.") from None
    if parts.scheme not in PORTS:
        raise BadUrl("The URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise BadUrl("The URL must not contain a user name or a password.")
    port = PORTS[parts.scheme] if port is None else port
    if not policy.permits_port(port):
        raise BadUrl("The URL has a port that is not permitted; the usual ones of http and https are.")
    host = _host(parts.hostname or "", in_brackets=parts.netloc.startswith("["))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    url = Url(parts.scheme, host, port, quote(target, safe=UNRESERVED))
    if len(str(url)) > MAX_URL_LENGTH:
        raise too_long
    return url


def permitted_url(text: str, policy: OutboundPolicy) -> Url:
    """Return a URL that a request may go to; raises BadUrl. The addresses of a name are checked at the request."""
    url = parse_url(text, policy)
    address = plain_address(url.host)
    if address and not policy.permits(url.host, address):
        raise BadUrl(
            "The URL leads to an address that is not on the public internet. "
            "Use a public address, or ask the operator to allow this one."
        )
    return url


def _host(text: str, *, in_brackets: bool) -> str:
    """Return a host in ASCII: an address in its canonical form, or a name with A-labels (RFC 5891)."""
    name = text.removesuffix(".")
    try:
        if in_brackets:
            if "%" in text:  # a zone, which is meaningful on one machine only
                _refuse()
            return str(IPv6Address(text))
        if NUMBER.fullmatch(name.rpartition(".")[2]):
            return str(IPv4Address(name))
        if len(name) > MAX_HOST_LENGTH:
            _refuse()
        ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode().lower()
    except (ValueError, idna.IDNAError):
        _refuse()
    if len(ascii_name) > MAX_HOST_LENGTH or not HOST.fullmatch(ascii_name):
        _refuse()
    return _host(ascii_name, in_brackets=False) if ascii_name != name else ascii_name


def _refuse() -> NoReturn:
    raise BadUrl("The URL must contain a host name, or an IP address in its usual form.")
