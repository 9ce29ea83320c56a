"""The commands `soundlift hook`, which manage the webhooks of the user."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.each_job import json_option
from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.outcome import json_line
from soundlift.client import Client, Delivery, Webhook
from soundlift.common.printable import escaped

TEST_SECONDS = 30  # longer than an attempt
POLL_SECONDS = 0.5
SEARCHED = 1000  # of the newest deliveries
SHOWN_ONCE = "This secret verifies the messages, and is shown only now."

webhook_argument = click.argument("webhook", metavar="HOOK")


@click.group()
def hook() -> None:
    """Manage webhooks about your jobs.

    HOOK is the id of a webhook, or its URL.
    """


@hook.command()
@click.argument("address", metavar="URL")
@click.option("--named-only", is_flag=True, help="Announce only jobs whose upload names it (`convert --webhook`).")
@json_option
@with_client
def add(address: str, named_only: bool, as_json: bool, connect: Connect) -> None:
    """Add a webhook, and print the secret that verifies its messages."""
    _print_secret(connect().webhooks.add(address, all_jobs=not named_only), as_json=as_json)


@hook.command("list")
@json_option
@with_client
def list_(as_json: bool, connect: Connect) -> None:
    """List your webhooks."""
    found = connect().webhooks.list()
    for each in found:
        click.echo(json_line(_document(each)) if as_json else _webhook_line(each))
    if not found:
        click.echo("You have no webhooks.", err=True)


@hook.command()
@click.argument("webhooks", nargs=-1, required=True, metavar="HOOK...")
@with_client
def remove(webhooks: Sequence[str], connect: Connect) -> None:
    """Remove webhooks, and what has not been delivered to them."""
    client = connect()
    for each in [_find(name, client) for name in webhooks]:
        client.webhooks.remove(each)
        click.echo(escaped(f"Removed {each.url}."))


@hook.command()
@webhook_argument
@with_client
def enable(webhook: str, connect: Connect) -> None:
    """Enable a webhook that is disabled."""
    _change(webhook, connect, enabled=True)


@hook.command()
@webhook_argument
@with_client
def disable(webhook: str, connect: Connect) -> None:
    """Disable a webhook, which then gets no messages."""
    _change(webhook, connect, enabled=False)


@hook.command()
@webhook_argument
@json_option
@with_client
def rotate(webhook: str, as_json: bool, connect: Connect) -> None:
    """Make a new secret, and print it.

    For 24 hours, messages are signed with the previous secret too.
    """
    client = connect()
    _print_secret(client.webhooks.rotate(_find(webhook, client)), as_json=as_json)


@hook.command()
@webhook_argument
@json_option
@with_client
def test(webhook: str, as_json: bool, connect: Connect) -> None:
    """Send a test, and wait for its outcome; fail unless it is accepted."""
    client = connect()
    found = _find(webhook, client)
    _wait(client, found, client.webhooks.test(found), as_json=as_json)


@hook.command()
@webhook_argument
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="Print at most N.")
@json_option
@with_client
def deliveries(webhook: str, limit: int, as_json: bool, connect: Connect) -> None:
    """List the deliveries of a webhook, the newest first."""
    client = connect()
    for each in islice(client.webhooks.deliveries(_find(webhook, client)), limit):
        click.echo(json_line(_document(each)) if as_json else _delivery_line(each))


@hook.command()
@webhook_argument
@click.argument("delivery")
@json_option
@with_client
def replay(webhook: str, delivery: str, as_json: bool, connect: Connect) -> None:
    """Send a delivery again, and wait for its first attempt; fail unless it is accepted."""
    client = connect()
    found = _find(webhook, client)
    _wait(client, found, client.webhooks.replay(found, delivery), as_json=as_json)


def _change(name: str, connect: Connect, *, enabled: bool) -> None:
    client = connect()
    changed = client.webhooks.change(_find(name, client), enabled=enabled)
    click.echo(_webhook_line(changed))


def _find(name: str, client: Client) -> Webhook:
    """Return the webhook with an id or a URL; raises UsageError."""
    found = [each for each in client.webhooks.list() if name in (each.id, each.url, each.url.removesuffix("/"))]
    if not found:
        raise click.UsageError(f"You have no webhook {name}. List them with `soundlift hook list`.")
    return found[0]


def _wait(client: Client, webhook: Webhook, begun: Delivery, *, as_json: bool) -> None:
    """Print a delivery after its attempt; exit with FAILED unless it was accepted.

    The number of attempts includes one in progress; the time of the next one changes when it has failed.
    """
    deadline, delivery = time.monotonic() + TEST_SECONDS, begun
    while (
        delivery.status == "pending"
        and delivery.next_attempt_at == begun.next_attempt_at
        and time.monotonic() < deadline
    ):
        time.sleep(POLL_SECONDS)
        newest = islice(client.webhooks.deliveries(webhook), SEARCHED)
        delivery = next((each for each in newest if each.id == begun.id), begun)
    click.echo(json_line(_document(delivery)) if as_json else _delivery_line(delivery))
    if delivery.status != "delivered":
        click.get_current_context().exit(ExitCode.FAILED)


def _print_secret(webhook: Webhook, *, as_json: bool) -> None:
    click.echo(json_line(_document(webhook)) if as_json else escaped(webhook.secret or ""))
    click.echo(f"{SHOWN_ONCE} The webhook's id is {escaped(webhook.id)}.", err=True)


def _webhook_line(webhook: Webhook) -> str:
    jobs = "all jobs" if webhook.all_jobs else "named jobs"
    detail = f": {webhook.detail}" if webhook.detail else ""
    return escaped(f"{webhook.id}  {webhook.url}  {jobs}  {webhook.state}{detail}")


def _delivery_line(delivery: Delivery) -> str:
    attempts = f"{delivery.attempts} {'attempt' if delivery.attempts == 1 else 'attempts'}"
    following = f"  next {_time(delivery.next_attempt_at)}" if delivery.next_attempt_at else ""
    error = f": {delivery.last_error}" if delivery.last_error else ""
    created, about = _time(delivery.created_at), delivery.job_id or "test"
    outcome = f"{delivery.status}, {attempts}{following}{error}"
    return escaped(f"{delivery.id}  {created}  {delivery.type}  {about}  {outcome}")


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


def _document(shown: Webhook | Delivery) -> dict[str, Any]:
    """Return a webhook or a delivery as a JSON object, with times in ISO 8601; a secret only if it was just made."""
    values = asdict(shown)
    values |= {name: value.isoformat() for name, value in values.items() if isinstance(value, datetime)}
    if values.get("secret", "") is None:
        del values["secret"]
    return values
