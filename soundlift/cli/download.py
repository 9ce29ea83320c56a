"""The command `soundlift download`, which waits for jobs and saves their audio files."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.display import Display, create_display
from soundlift.cli.each_job import jobs_argument
from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.inputs import STANDARD, Input
from soundlift.cli.messages import Messages
from soundlift.cli.outcome import Outcome, batch_exit_code, json_line, summary
from soundlift.cli.outputs import Item, Overwriting, check_target, checked_stem, is_folder, new_folders, output_option
from soundlift.cli.report import Report
from soundlift.cli.safe_names import safe_name
from soundlift.cli.steps import Steps
from soundlift.client import Client, ClientError, Job, NotConverted
from soundlift.client.formats import ORIGINAL
from soundlift.common.printable import escaped
from soundlift.local.program_name import program_name

FOREVER = float("inf")
ARCHIVE_NAME = "soundlift.zip"


@click.command()
@jobs_argument
@output_option
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option("--skip-existing", is_flag=True, help="Leave out jobs whose file exists.")
@click.option("--zip", "as_zip", is_flag=True, help="Save one ZIP file with all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@with_client
def download(
    jobs: Sequence[str],
    output: str | None,
    force: bool,
    skip_existing: bool,
    as_zip: bool,
    as_json: bool,
    quiet: bool,
    connect: Connect,
) -> None:
    """Wait for jobs, and save their audio.

    A download that was interrupted continues where it was.
    """
    rule = Overwriting(force=force, skip=skip_existing)
    if output == STANDARD and (as_zip or sys.stdout.isatty()):
        raise click.UsageError("Only one audio file can be written to standard output, and not to a terminal.")
    ids = list(dict.fromkeys(jobs))
    client = connect()
    found = [client.job(job_id) for job_id in ids]
    display = create_display(1 if as_zip else len(ids), bars=not quiet)
    messages = Messages(display, -1 if quiet else 0)
    client.keep_trying(FOREVER, messages.retrying)
    try:
        if as_zip:
            _save_archive(client, found, output, rule, display, messages, as_json=as_json)
            return
        items = [_item(job, output, rule, several=len(ids) > 1) for job in found]
        _require_different(items)
        report = Report(display, messages, as_json=as_json, quiet=quiet, to_stdout=output == STANDARD)
        outcomes = _save_all(client, list(zip(found, items, strict=True)), display, messages, report, force=force)
    except KeyboardInterrupt:
        again = " ".join(escaped(job_id) for job_id in ids)
        messages.error(f"Interrupted. Continue with:\n  {program_name()} download {again}")
        click.get_current_context().exit(ExitCode.INTERRUPTED)
    if len(outcomes) > 1:
        messages.note(summary(outcomes))
    click.get_current_context().exit(batch_exit_code(outcomes))


def _item(job: Job, output: str | None, rule: Overwriting, *, several: bool) -> Item:
    """Return where a job is saved, after checking it; a name from the server never leads out of the folder."""
    source = Input(Path(job.file_name), Path())
    if output == STANDARD and not several:
        return Item(source, None)
    if output is None or is_folder(output):
        target = Path(output or "") / safe_name(job.output_name)
        if job.format == ORIGINAL:
            return checked_stem(Item(source, target, suffix_follows=True), target, rule, new_folders(output))
    elif several:
        raise click.UsageError(f"{escaped(output)} is not a folder; several files need one as their output.")
    else:
        target = Path(output)
    return Item(source, target, skipped=not check_target(target, rule, new_folders(output)))


def _require_different(items: Sequence[Item]) -> None:
    """Raise UsageError if two jobs would be saved in the same file."""
    names = Counter(str(item.target).casefold() for item in items)
    for item in items:
        if names[str(item.target).casefold()] > 1:
            raise click.UsageError(
                f"Several of these jobs have the output {escaped(str(item.target))}. "
                "Download them one by one with -o, or together with --zip."
            )


def _save_all(
    client: Client,
    jobs: Sequence[tuple[Job, Item]],
    display: Display,
    messages: Messages,
    report: Report,
    *,
    force: bool,
) -> list[Outcome]:
    outcomes = []
    with display:
        for job, item in jobs:
            number = display.begin(job.file_name)
            outcomes.append(_save(job, item, Steps(client, display, messages, number), replace=force))
            display.end(number)
            report.show(outcomes[-1], several=len(jobs) > 1)
    return outcomes


def _save(job: Job, item: Item, steps: Steps, *, replace: bool) -> Outcome:
    if item.skipped:
        return Outcome(item=item)
    try:
        job = steps.wait(job)
        item = item.settled(job)
        steps.download(job, item.target, replace=replace)
    except NotConverted as error:
        return Outcome(item=item, job=error.job, error=error)
    except (ClientError, OSError) as error:
        return Outcome(item=item, job=job, error=error)
    return Outcome(item=item, job=job)


def _save_archive(
    client: Client,
    jobs: Sequence[Job],
    output: str | None,
    rule: Overwriting,
    display: Display,
    messages: Messages,
    *,
    as_json: bool,
) -> None:
    target = Path(output or ARCHIVE_NAME)
    target = target / ARCHIVE_NAME if target.is_dir() else target
    if check_target(target, rule):
        with display:
            steps = Steps(client, display, messages, display.begin(target.name))
            steps.download_zip([steps.wait(job) for job in jobs], target, replace=rule.force)
    line = f"{escaped(str(target))}: {len(jobs)} files"
    document = {"output": str(target), "jobs": [job.id for job in jobs], "bytes": target.stat().st_size}
    display.print(json_line(document) if as_json else line, err=False)
