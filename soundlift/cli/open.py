"""The command `soundlift open`, which opens the page of a job in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.each_job import json_option
from soundlift.cli.outcome import json_line
from soundlift.cli.web_addresses import page_of


@click.command("open")
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def open_(job_id: str, as_json: bool, connect: Connect) -> None:
    """Open the page of a job in the browser.

    Without a browser, the address of the page is printed.
    """
    client = connect()
    address = page_of(client.job(job_id), client.url)
    opened = _open_browser(address)
    if as_json:
        click.echo(json_line({"url": address, "opened": opened}))
    elif not opened:
        click.echo(address)


def _open_browser(address: str) -> bool:
    """Open an address in a browser with windows, and return whether there is one."""
    unix = os.name == "posix" and sys.platform != "darwin"
    if unix and not any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")):
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
