"""The command `soundlift doctor`, which checks a deployment."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from soundlift.cli.deployment import deployment_variables
from soundlift.cli.doctor.deployment import check_all
from soundlift.cli.doctor.finding import Finding, Status
from soundlift.cli.each_job import json_option
from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.number_range import NumberRange
from soundlift.cli.outcome import json_line
from soundlift.common.printable import escaped
from soundlift.local.command import data_option
from soundlift.local.terminal import wrap

STATUS_WIDTH = 9
PART_WIDTH = 17


@click.command()
@click.option(
    "--timeout",
    type=NumberRange(1, 600),
    default=20,
    show_default=True,
    help="Seconds for all checks, which run at the same time.",
)
@json_option
@data_option
def doctor(timeout: float, as_json: bool, data: Path | None) -> None:
    """Check the settings and each server.

    One line each: ok, or what is wrong and how to fix it. It checks the deployment that the environment describes, or
    that of `soundlift up`, changes nothing, and sends no mail. The exit code is 1 if something is wrong.
    """
    statuses = set()
    for finding in check_all(deployment_variables(data), seconds=timeout):
        statuses.add(finding.status)
        click.echo(json_line(asdict(finding)) if as_json else _line(finding))
    if Status.FAILED in statuses:
        click.get_current_context().exit(ExitCode.FAILED)


def _line(finding: Finding) -> str:
    shown = finding.status if finding.status in (Status.OK, Status.SKIPPED) else finding.status.upper()
    advice = f"; {finding.advice}" if finding.advice else ""
    prefix = f"{shown:<{STATUS_WIDTH}}{finding.part:<{PART_WIDTH}}"
    return wrap(escaped(f"{finding.detail}{advice}."), sys.stdout, prefix=prefix, indent=" " * STATUS_WIDTH)
