"""A snapshot as text, at most 60 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from soundlift.cli.readable import length_text
from soundlift.cli.top.snapshot import Snapshot
from soundlift.common.broker import QueueCount
from soundlift.common.jobs.model import State
from soundlift.common.jobs.overview import MAX_COUNT, MAX_WORKERS, Overview, Worker
from soundlift.common.printable import escaped

WIDTH = 58
UNKNOWN = "–"
OLD_SECONDS = 600
SHORT_NAMES = {"conversions": "converted"}
STATES_IN_A_ROW = 3
LISTED = [state for state in State if state != State.DELETED]


def view(snapshot: Snapshot, at: datetime, hint: str = "") -> RenderableType:
    """Return everything below a line with the time; a server that does not answer is named with the reason."""
    title = Text.assemble(("Soundlift", "bold"), f"  {at:%Y-%m-%d %H:%M:%S}  ", (hint, "dim"))
    return Padding(Group(title, *_parts(snapshot)), (0, 1), expand=False)


def _parts(snapshot: Snapshot) -> Iterator[RenderableType]:
    for name, error in snapshot.errors.items():
        yield Text(escaped(f"The {name}: {error}"), "red")
    if snapshot.queues.value:
        yield from ("", _queues(snapshot.queues.value))
    if overview := snapshot.overview.value:
        yield from ("", _jobs(overview), "", _rates(overview), "", _oldest(overview.oldest_queued))
        yield from ("", _workers(overview.workers, overview.jobs[State.CONVERTING]))


def _queues(counts: Sequence[QueueCount]) -> Table:
    table = _table("Queue", "waiting", "in flight", "dead", "consumers")
    for one in counts:
        dead = Text(_number(one.dead), "red" if one.dead else "")
        table.add_row(escaped(one.queue), _number(one.waiting), _number(one.in_flight), dead, _number(one.consumers))
    return table


def _jobs(overview: Overview) -> Table:
    table = _table(*("Jobs", "") * STATES_IN_A_ROW)
    table.show_header = False
    cells = [cell for state in LISTED for cell in (state.value, _count(overview.jobs[state]))]
    cells += ["mails due", _count(overview.pending_mails)]
    for start in range(0, len(cells), 2 * STATES_IN_A_ROW):
        table.add_row(*cells[start : start + 2 * STATES_IN_A_ROW])
    return table


def _rates(overview: Overview) -> Table:
    table = _table("Per min", *(SHORT_NAMES.get(name, name) for name in overview.rates))
    table.add_row("", *(f"{rate:,.1f}" for rate in overview.rates.values()))
    return table


def _oldest(seconds: float | None) -> Text:
    if seconds is None:
        return Text("No job is queued.")
    return Text.assemble("Oldest queued job: ", (length_text(seconds), "red" if seconds > OLD_SECONDS else ""))


def _workers(workers: Sequence[Worker], count: int) -> Table:
    table = _table("Converting", "%", "attempt", "since")
    for one in workers:
        since = Text(f"{length_text(one.seconds)}{' lapsed' if one.lapsed else ''}", "red" if one.lapsed else "")
        table.add_row(one.job, f"{one.percent}", f"{one.attempt}", since)
    if not workers:
        table.add_row("nothing")
    if count > MAX_WORKERS:
        table.add_row(f"and {_count(count if count > MAX_COUNT else count - MAX_WORKERS)} more")
    return table


def _count(number: int) -> str:
    """Return a count of the overview, which may stand for any larger number."""
    return f"{MAX_COUNT // 1000}k+" if number > MAX_COUNT else _number(number)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1), width=WIDTH, title_justify="left")
    table.add_column(first, ratio=1, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _number(number: int | None) -> str:
    if number is None:
        return UNKNOWN
    return f"{number:,}"
