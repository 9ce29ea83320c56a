"""Commands that do the same to each of several jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from soundlift.cli.error_text import error_text
from soundlift.cli.exit_codes import ExitCode, exit_code
from soundlift.cli.layout import about
from soundlift.cli.outcome import json_line
from soundlift.client import ClientError
from soundlift.common.printable import escaped

Action = Callable[[str], tuple[str, dict[str, Any]]]
"""A function that acts on the job with an id, and returns the result as a line and as a JSON object."""

jobs_argument = click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")


def for_each(jobs: Sequence[str], action: Action, *, as_json: bool) -> None:
    """Do the same to each job, even if it fails for some; exit with the code of the first cause."""
    code = ExitCode.OK
    for job in dict.fromkeys(jobs):
        try:
            line, document = action(job)
        except ClientError as error:
            click.echo(about(f"soundlift: {escaped(job)}", f"{error_text(error)}.", sys.stderr), err=True)
            code = code or exit_code(error)
        else:
            click.echo(json_line(document) if as_json else line)
    click.get_current_context().exit(code)
