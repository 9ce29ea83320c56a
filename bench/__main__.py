"""Measures what Soundlift costs, one row at a time, against a baseline: `make bench`, or `python -m bench ROW …`."""

from __future__ import annotations

import argparse
import signal
import sys

from bench.harness import servers
from bench.harness.report import HEADER, table_row, write_json, write_plot
from bench.rows import ROWS
from devservers.server import NotInstalled

SERVERS = {
    "amqp": "virtual host without queues",
    "mongodb": "server",
    "mysql": "database without tables",
    "s3": "bucket",
}


def main() -> None:
    """Measure the named rows, or all of them, and write a table, a JSON file and a plot."""
    wanted = _wanted()
    # Exiting unwinds the context managers, which stop every process started here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    print(HEADER, flush=True)
    results = []
    for row, measure in (ROWS[name] for name in wanted):
        try:
            results.append(measure(row))
            print(table_row(results[-1]), flush=True)
        except NotInstalled as reason:
            print(f"{row.name:<27}{reason}", flush=True)
    print(f"Written: {', '.join(str(file) for file in (write_json(results), write_plot(results)) if file)}.")


def _wanted() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"rows to measure: {', '.join(ROWS)}; default: all")
    for scheme, server in SERVERS.items():
        parser.add_argument(f"--{scheme}", metavar="URL", help=f"use this {server} instead of starting one")
    chosen = vars(parser.parse_args())
    wanted: list[str] = chosen.pop("rows") or list(ROWS)
    servers.named.update({scheme: url for scheme, url in chosen.items() if url})
    if unknown := [name for name in wanted if name not in ROWS]:
        sys.exit(f"Unknown row: {', '.join(unknown)}; choose from {', '.join(ROWS)}.")
    return wanted


if __name__ == "__main__":
    main()
