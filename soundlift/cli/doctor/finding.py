"""What a check of a deployment found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from soundlift.common.services import Services


class Status(StrEnum):
    """The result of a check; only FAILED makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the report: the part that was checked, the result, what was found, and how to fix it."""

    part: str
    status: Status
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Check:
    """A check of one part of a deployment.

    `run` yields findings. If it raises an error, or takes too long, that is a finding with the `advice`.
    """

    part: str
    advice: str
    run: Callable[[Services], Iterable[Finding]]


def ok(part: str, detail: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(part, Status.OK, detail)


def warning(part: str, detail: str, advice: str) -> Finding:
    """Return a finding that may be intended."""
    return Finding(part, Status.WARNING, detail, advice)


def failed(part: str, detail: str, advice: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(part, Status.FAILED, detail, advice)


def skipped(part: str, detail: str) -> Finding:
    """Return a finding that a part could not be checked from here."""
    return Finding(part, Status.SKIPPED, detail)
