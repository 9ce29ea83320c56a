"""The commands `soundlift job`, of which `show` shows a job or waits for it."""

from __future__ import annotations

from difflib import get_close_matches

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.display import create_display
from soundlift.cli.each_job import json_option
from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.history import history
from soundlift.cli.job_actions import retry
from soundlift.cli.job_text import detail_lines, job_document
from soundlift.cli.jobs import jobs
from soundlift.cli.messages import Messages
from soundlift.cli.outcome import json_line
from soundlift.cli.steps import Steps
from soundlift.cli.web_addresses import page_of
from soundlift.client import Client, Job, NotConverted

FOREVER = float("inf")
HELP_OPTIONS = ("-h", "--help")


class JobGroup(click.Group):
    """A group in which `job JOB` means `job show JOB`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments of the group, whose first one is the name of a command, or a mistyped one."""
        is_named = not args or args[0] in HELP_OPTIONS or bool(get_close_matches(args[0], self.commands))
        return super().parse_args(ctx, args if is_named else ["show", *args])


@click.group(cls=JobGroup)
def job() -> None:
    """Show, list and retry jobs.

    `soundlift job JOB` is `soundlift job show JOB`.
    """


@job.command()
@click.argument("job_id", metavar="JOB")
@click.option("-w", "--wait", is_flag=True, help="Wait until the job has ended; fail unless its audio is ready.")
@json_option
@with_client
def show(job_id: str, wait: bool, as_json: bool, connect: Connect) -> None:
    """Show a job."""
    client = connect()
    shown = _wait(client, job_id) if wait else client.job(job_id)
    if as_json:
        click.echo(json_line(job_document(shown)))
    else:
        click.echo("\n".join([*detail_lines(shown), "Page", f"  {page_of(shown, client.url)}"]))
    if wait and not shown.ready:
        click.get_current_context().exit(ExitCode.FAILED)


def _wait(client: Client, job_id: str) -> Job:
    found = client.job(job_id)
    display = create_display(1, bars=True)
    messages = Messages(display, 0)
    client.keep_trying(FOREVER, messages.retrying)
    with display:
        try:
            return Steps(client, display, messages, display.begin(found.file_name)).wait(found)
        except NotConverted as error:
            return error.job


job.add_command(jobs, "list")
job.add_command(retry, "retry")
job.add_command(history, "history")
