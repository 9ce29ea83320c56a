"""`soundlift user limits` shows the limits of an account, where they come from and what is used, and changes them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from soundlift.cli.user import user
from soundlift.common.errors import NotFound
from soundlift.common.jobs.limits import Limits
from soundlift.common.services import Services
from tests.factories.jobs import queued_job, ready_job

ADA = "ada@example.org"


def _limits(services: Services, *arguments: str, **environment: str) -> Result:
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data), **environment}
    return CliRunner().invoke(user, ["limits", *arguments], env=data)


def _rows(shown: Result) -> dict[str, list[str]]:
    assert shown.exit_code == 0, shown.output
    lines = [[cell.strip() for cell in line.split("  ") if cell] for line in shown.output.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_the_limits_are_shown_with_their_source_and_what_is_used(services: Services) -> None:
    queued_job(services)
    ready_job(services, mp3=bytes(10**6))
    services.limits.change(ADA, {"jobs": 5, "uploads_per_hour": 0})
    assert _rows(_limits(services, " Ada@example.org", MAX_UPLOADS_PER_HOUR="7", MAX_MINUTES_PER_DAY="90")) == {
        "limit": ["value", "set by", "used"],
        "bytes per file": ["4.3 GB", "MAX_UPLOAD_BYTES"],
        "jobs in progress": ["5", "user limits", "1"],
        "bytes stored": ["21.5 GB", "MAX_STORED_BYTES", "1.0 MB"],
        "uploads per hour": ["no limit", "user limits", "0"],
        "minutes of sound per day": ["90", "MAX_MINUTES_PER_DAY", "3.1"],
    }


def test_limits_are_changed_one_by_one_and_reset_together(services: Services) -> None:
    given = ("--file", "1GiB", "--stored", "10 GB", "--jobs", "0", "--uploads-per-hour", "3", "--minutes-per-day", "60")
    assert _limits(services, ADA, *given).exit_code == 0
    expected = Limits(0, 10 * 10**9, services.settings.retention_seconds, 2**30, 3, 60)
    assert services.limits.of(ADA, services.settings) == expected
    assert _limits(services, ADA, "--uploads-per-hour", "4").exit_code == 0
    assert services.limits.of(ADA, services.settings).uploads_per_hour == 4
    assert services.limits.of(ADA, services.settings).minutes_per_day == 60
    assert _limits(services, ADA, "--reset", "--jobs", "1").exit_code == 0
    assert services.limits.own([ADA]) == {ADA: {"jobs": 1}}
    assert services.limits.own(["bob@example.org"]) == {"bob@example.org": {}}


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1048576", 2**20), ("1.5 GiB", 3 * 2**29), ("500MB", 5 * 10**8), ("2k", 2048), ("7 bytes", 7)],
)
def test_a_size_has_a_unit_or_none(services: Services, text: str, size: int) -> None:
    assert _limits(services, ADA, "--stored", text).exit_code == 0
    assert services.limits.own([ADA]) == {ADA: {"stored_bytes": size}}


@pytest.mark.parametrize("text", ["", "ten", "-1", "1e9", "10 XB", "1,5GB", "9" * 30, "99999999999999 TiB", "٣GB"])
def test_anything_else_is_a_mistake_in_the_command_line(services: Services, text: str) -> None:
    refused = _limits(services, ADA, "--stored", text)
    assert refused.exit_code == 2
    assert "is not a size such as 10GiB" in refused.output
    assert services.limits.own([ADA]) == {ADA: {}}


@pytest.mark.parametrize("more", [(), ("--jobs", "1"), ("--reset",)])
def test_an_account_must_exist(services: Services, more: tuple[str, ...]) -> None:
    assert isinstance(_limits(services, "nobody@example.org", *more).exception, NotFound)
