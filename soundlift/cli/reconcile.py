"""The command `soundlift reconcile`, which makes the database and the media store agree after a restore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from soundlift.cli.deployment import services_for_writing
from soundlift.cli.each_job import json_option
from soundlift.cli.outcome import json_line
from soundlift.cli.readable import count_text
from soundlift.cli.reconciliation.deployment import Deployment, open_deployment
from soundlift.cli.reconciliation.file_check import check_files, has_named_file
from soundlift.cli.reconciliation.findings import KEPT, Action, Finding
from soundlift.cli.reconciliation.job_check import check_jobs, jobs_with_files
from soundlift.common.errors import SettingError
from soundlift.local.command import data_option
from soundlift.local.retention import Duration

ONE_DAY = 24 * 3600
COUNTED = {
    Action.FAIL_WITHOUT_VIDEO: "without a video: failed (video_lost)",
    Action.FAIL_WITHOUT_AUDIO: "without an audio file and a video: failed (audio_lost)",
    Action.CONVERT_AGAIN: "without an audio file: converted again",
    Action.DELETE_FILE: "without a job: deleted",
    Action.KEEP_YOUNG_FILE: "without a job: kept, younger than --grace",
    Action.KEEP_FOREIGN_FILE: "of another program: kept",
}
ABOUT_FILES = (Action.DELETE_FILE, *KEPT)


@click.command()
@click.option("--apply", is_flag=True, help="Act on what is found; without it, nothing is changed.")
@click.option(
    "--grace", type=Duration(), default=ONE_DAY, help="Keep files without a job that are younger; default: 1d."
)
@click.option("--force", is_flag=True, help="Act even if no file in the store belongs to any job.")
@json_option
@data_option
def reconcile(apply: bool, grace: int, force: bool, as_json: bool, data: Path | None) -> None:
    """Make jobs and stored files agree.

    For use after the database or the media store has been restored from a backup. Jobs without a video fail, with a
    reason that their owners are notified of; ready ones without an audio file are converted again, or fail if their
    video is missing too. Files that no job names are deleted. Each is printed, then a summary. The functions may be
    running.
    """
    counts: Counter[Action] = Counter()
    with open_deployment(services_for_writing(data)) as deployment:
        is_plausible = _is_plausible(deployment)
        if apply and not (is_plausible or force):
            raise _mismatch()
        for finding in _findings(deployment, grace=grace, apply=apply):
            counts[finding.action] += 1
            click.echo(json_line(finding.document) if as_json else finding.line)
    if as_json:
        click.echo(json_line({"summary": {action: counts[action] for action in Action}, "applied": apply}))
    else:
        _print_summary(counts, apply=apply)
    if not is_plausible and not force:
        click.echo(f"Warning: {_mismatch().detail}", err=True)


def _findings(deployment: Deployment, *, grace: int, apply: bool) -> Iterator[Finding]:
    yield from check_jobs(deployment, apply=apply)
    yield from check_files(deployment, grace=grace, apply=apply)


def _print_summary(counts: Counter[Action], *, apply: bool) -> None:
    if not counts:
        click.echo("The jobs and the files agree.")
        return
    click.echo("Done:" if apply else "Nothing was changed. With --apply:")
    for action, number in counts.items():
        click.echo(f"  {count_text(number, 'file' if action in ABOUT_FILES else 'job')} {COUNTED[action]}")


def _is_plausible(deployment: Deployment) -> bool:
    """Return whether the jobs and the files can be those of one deployment: they share a file, or there are none."""
    if has_named_file(deployment):
        return True
    has_files = any(inventory.totals()[0] for inventory in deployment.inventories.values())
    return not has_files and not any(jobs_with_files(deployment))


def _mismatch() -> SettingError:
    return SettingError(
        "No file in the media store belongs to any job: MEDIA_URL or DATABASE_URL may name those of another "
        "deployment. Check both; --force acts nevertheless.",
        setting="MEDIA_URL",
    )
