"""All checks of a deployment, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from soundlift.cli.deployment import check_deployment
from soundlift.cli.doctor import broker, collector, conversion, database, mail, provider
from soundlift.cli.doctor.finding import Finding, failed
from soundlift.cli.doctor.functions import functions_check
from soundlift.cli.doctor.redaction import redacted, secrets_of
from soundlift.cli.doctor.run import run_checks
from soundlift.cli.doctor.settings import check_settings
from soundlift.cli.doctor.store import store_check
from soundlift.common.errors import SettingError
from soundlift.common.process.data_folder import make_files_private
from soundlift.common.services import Services
from soundlift.common.settings import Settings


def check_all(variables: Mapping[str, str], *, seconds: float) -> Iterator[Finding]:
    """Yield the findings about the deployment that variables describe, without its secrets.

    The checks of servers take at most about `seconds` together. Files are created only in a deployment that exists.
    """
    settings, errors = Settings.read(variables)
    secrets = secrets_of(settings)
    for one in _findings(settings, errors, variables, seconds):
        yield replace(one, detail=redacted(one.detail, secrets), advice=redacted(one.advice, secrets))


def _findings(
    settings: Settings, errors: list[SettingError], variables: Mapping[str, str], seconds: float
) -> Iterator[Finding]:
    yield from check_settings(settings, errors)
    try:
        check_deployment(settings, named="SOUNDLIFT_DATA" in variables, creates=False)
    except SettingError as error:
        what, _, advice = error.detail.partition(". ")
        yield failed("data folder", what, advice[:1].lower() + advice[1:].rstrip("."))
        return
    make_files_private()
    checks = [
        database.CHECK,
        store_check(settings.media_url),
        broker.CHECK,
        mail.CHECK,
        provider.CHECK,
        collector.CHECK,
        conversion.FFMPEG,
        conversion.MACHINE,
        functions_check(names_its_gateway="GATEWAY_URL" in variables.keys() - _malformed(errors)),
    ]
    yield from run_checks(checks, Services(settings), seconds=seconds)


def _malformed(errors: list[SettingError]) -> set[str]:
    return {str(error.evidence.get("setting")) for error in errors}
