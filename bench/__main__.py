"""Measures what Soundlift costs beside a baseline, row by row: `make bench`, or `python -m bench ROW …`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable

import pytest

from bench import (
    answers,
    connector,
    conversions,
    hostile_text,
    logins,
    memory,
    servers,
    slow_clients,
    stores,
    throughput,
    transfers,
)
from bench.comparison import Result, Row
from bench.report import HEAD, line_of, write_json, write_plot

MODULES = (conversions, memory, throughput, transfers, stores, answers, logins, slow_clients, connector, hostile_text)
ROWS: dict[str, tuple[Row, Callable[[Row], Result]]] = {
    row.name: (row, measure) for module in MODULES for row, measure in module.ROWS.items()
}


def main() -> None:
    """Measure the named rows, or all, and write table, JSON and plot."""
    wanted = _wanted()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # so that all that was started ends, too
    print(HEAD, flush=True)
    results = []
    for row, measure in (ROWS[name] for name in wanted):
        try:
            results.append(measure(row))
            print(line_of(results[-1]), flush=True)
        except pytest.skip.Exception as reason:
            print(f"{row.name:<27}{reason}", flush=True)
    print(f"Written: {', '.join(str(file) for file in (write_json(results), write_plot(results)) if file)}.")


def _wanted() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default: all")
    for scheme, what in (("amqp", "virtual host without queues"), ("mongodb", "server"), ("s3", "bucket")):
        parser.add_argument(f"--{scheme}", metavar="URL", help=f"a {what} to measure with, instead of a private one")
    chosen = vars(parser.parse_args())
    wanted: list[str] = chosen.pop("rows") or list(ROWS)
    servers.named.update({scheme: url for scheme, url in chosen.items() if url})
    if unknown := [name for name in wanted if name not in ROWS]:
        sys.exit(f"There is no row {', '.join(unknown)}; there are {', '.join(ROWS)}.")
    return wanted


if __name__ == "__main__":
    main()
