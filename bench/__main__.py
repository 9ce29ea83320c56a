"""Measures what Soundlift costs beside a baseline, row by row: `make bench`, or `python -m bench ROW …`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench import conversions, throughput
from bench.comparison import Result, Row
from bench.report import HEAD, line_of, write_json, write_plot

ROWS: dict[Row, Callable[[Row], Result]] = {**conversions.ROWS, **throughput.ROWS}


def main() -> None:
    """Measure the named rows, or all, and write table, JSON and plot."""
    rows = {row.name: row for row in ROWS}
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(rows)}; default: all")
    wanted = parser.parse_args().rows or list(rows)
    if unknown := [name for name in wanted if name not in rows]:
        sys.exit(f"There is no row {', '.join(unknown)}; there are {', '.join(rows)}.")
    print(HEAD, flush=True)
    results = []
    for row in (rows[name] for name in wanted):
        results.append(ROWS[row](row))
        print(line_of(results[-1]), flush=True)
    print(f"Written: {', '.join(str(file) for file in (write_json(results), write_plot(results)) if file)}.")


if __name__ == "__main__":
    main()
