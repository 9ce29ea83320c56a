"""The command `soundlift convert`, which converts files on a deployment."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from soundlift.cli.batch import run_all, stop_advice
from soundlift.cli.connect import Connect, with_client
from soundlift.cli.conversion import Conversion
from soundlift.cli.display import Display, create_display
from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.inputs import STANDARD, find_inputs
from soundlift.cli.messages import Messages
from soundlift.cli.outcome import Outcome, batch_exit_code, summary
from soundlift.cli.outputs import Item, Overwriting, output_option, plan, requested_format
from soundlift.cli.report import Report
from soundlift.cli.upload_options import upload_options
from soundlift.client import Client

PARALLEL = 4
FOREVER = float("inf")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option
@click.option("--force", is_flag=True, help="Overwrite existing output files.")
@click.option("--skip-existing", is_flag=True, help="Leave out files whose output exists.")
@click.option("-r", "--recursive", is_flag=True, help="Search folders with all folders in them.")
@click.option(
    "-j",
    "--jobs",
    "parallel",
    type=click.IntRange(1, 32),
    default=PARALLEL,
    show_default=True,
    help="Number of files in progress at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print each step.")
@with_client
@upload_options
def convert(
    files: Sequence[str],
    output: str | None,
    force: bool,
    skip_existing: bool,
    recursive: bool,
    parallel: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    connect: Connect,
    options: Mapping[str, str],
) -> None:
    """Convert videos to audio files.

    They are uploaded, and the results are downloaded.

    FILE is a video, a pattern such as '*.mp4', a folder with videos, the address of a video beginning with https:// or
    http://, which the server imports, or - for standard input. The suffix of an output file names its format, unless
    --format does.

    Conversions continue on the server if this command is stopped, and the command continues after an interruption of
    the network or a restart of the server.
    """
    if quiet and verbose:
        raise click.UsageError("Use either --quiet or --verbose, not both.")
    rule = Overwriting(force=force, skip=skip_existing)
    if file_format := requested_format(output, options.get("format")):
        options = {**options, "format": file_format}
    inputs = find_inputs(files, recursive=recursive)
    items = plan(inputs.files, output, file_format, rule)
    if output == STANDARD and sys.stdout.isatty():
        raise click.UsageError("Standard output is a terminal; redirect it to a file or a program.")
    if STANDARD in files and sys.stdin.isatty():
        raise click.UsageError("Standard input is a terminal; redirect a file or a program to it.")
    client = connect()
    if not all(item.skipped for item in items):
        client.validate()  # so that a wrong address or password is reported before anything is sent
    display = create_display(len(items), bars=not quiet)
    messages = Messages(display, verbose - quiet)
    client.keep_trying(FOREVER, messages.retrying)
    for note in inputs.notes:
        messages.note(note)
    report = Report(display, messages, as_json=as_json, quiet=quiet, to_stdout=output == STANDARD)
    outcomes = _convert_all(items, client, display, messages, options, report, force=force, parallel=parallel)
    if len(items) > 1:
        messages.note(summary(outcomes))
    click.get_current_context().exit(batch_exit_code(outcomes))


def _convert_all(
    items: Sequence[Item],
    client: Client,
    display: Display,
    messages: Messages,
    options: Mapping[str, str],
    report: Report,
    *,
    force: bool,
    parallel: int,
) -> list[Outcome]:
    """Return the results after printing each; after an interruption, print how to get the others."""
    outcomes = []
    conversions = [Conversion(item, client, display, messages, options, replace=force) for item in items]
    try:
        with display:
            for outcome in run_all(conversions, parallel):
                outcomes.append(outcome)
                report.show(outcome, several=len(items) > 1)
    except KeyboardInterrupt:
        messages.error(stop_advice(conversions))
        click.get_current_context().exit(ExitCode.INTERRUPTED)
    return outcomes
