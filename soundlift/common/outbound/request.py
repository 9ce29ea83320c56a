"""A request to an address that a stranger names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from soundlift.common.outbound.limits import OutboundLimits


@dataclass(frozen=True, kw_only=True)
class OutboundRequest:
    """A request, and the limits of its response.

    Redirects are followed only for GET and HEAD, and only if `follow_redirects`; without it, they are responses.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    limits: OutboundLimits = field(default_factory=OutboundLimits)
    follow_redirects: bool = False
