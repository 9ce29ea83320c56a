"""Simulates up to 100 replicas with the times of a real run: `python -m bench.simulation`.

First it converts a backlog with one slot and with two in the real functions, connector and servers, and compares the
model with both: with the run that its times are from, and with the other. Then it shows how the videos per second and
the waits change with the replicas. The same seed and the same times (`--times`) give the same result.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

from bench.simulation.calibration import RealRun, real_run
from bench.simulation.model import Model, Outcome
from bench.simulation.parameters import Deployment, Times

VIDEOS = 100
REPLICAS = (1, 2, 5, 10, 20, 50, 100)
VIDEOS_PER_REPLICA = 100
LONG_FACTOR = 25  # a conversion of ten minutes takes as long as 25 of ten seconds (soundlift/cli/sizing/figures.py)
FILE = Path("build", "simulation.json")
HEADER = f"{'replicas':>8}{'videos/s':>10}{'ideal':>9}{'wait, s':>9}{'tries':>7}{'busy':>6}{'database':>10}"


def main() -> None:
    """Calibrate the model, unless the times of an earlier run are given, and print what it predicts."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the model's random numbers")
    parser.add_argument("--videos", type=int, default=VIDEOS, help="videos of each real run")
    parser.add_argument("--times", type=Path, metavar="FILE", help=f"take the times from a file such as {FILE}")
    chosen = parser.parse_args()
    times = _read(chosen.times) if chosen.times else _calibrate(chosen.videos, chosen.seed)
    for title, deployment in _scenarios():
        print(f"\n{title}\n{HEADER}")
        for replicas in REPLICAS:
            own = replace(deployment, replicas=replicas, videos=replicas * VIDEOS_PER_REPLICA)
            print(_row(own, times, Model(own, times, seed=chosen.seed).run()), flush=True)


def _scenarios() -> Iterator[tuple[str, Deployment]]:
    short = Deployment(replicas=1, videos=1)
    long = replace(short, conversion_factor=LONG_FACTOR)
    yield "Backlog of ten minutes of sound each", long
    yield "Backlog of ten seconds of sound each", short
    yield "The same, on a database with 8 cores", replace(short, database_cores=8)
    yield "The same, each worker trying the next job in turn after a lost race", replace(short, choice="in turn")
    yield "Ten minutes, with 25 deliveries for all replicas", replace(long, deliveries=25)
    yield "Ten minutes, a tenth of the events lost", replace(long, events_lost=0.1)


def _calibrate(videos: int, seed: int) -> Times:
    one, two = (real_run(videos, slots=slots) for slots in (1, 2))
    print(f"{'real run':<22}{'videos/s':>9}{'model':>9}{'off by':>8}{'wait, s':>9}{'model':>9}{'off by':>8}")
    _compare("two slots", two, Deployment(replicas=1, slots=2, videos=videos, users=1), two.times, seed)
    _compare("one slot, times of two", one, Deployment(replicas=1, slots=1, videos=videos, users=1), two.times, seed)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(asdict(two.times), indent=1) + "\n")
    print(f"The times are in {FILE}.")
    return two.times


def _compare(name: str, real: RealRun, deployment: Deployment, times: Times, seed: int) -> None:
    model = Model(deployment, times, seed=seed).run()
    pairs = (real.per_second, model.per_second), (real.mean_wait, model.mean_wait)
    figures = (f"{is_real:>9.3g}{modelled:>9.3g}{modelled / is_real - 1:>8.0%}" for is_real, modelled in pairs)
    print(f"{name:<22}{''.join(figures)}", flush=True)


def _read(file: Path) -> Times:
    values: dict[str, Any] = json.loads(file.read_text())
    return Times(**{**values, "conversions": tuple(values["conversions"])})


def _row(deployment: Deployment, times: Times, outcome: Outcome) -> str:
    """Return a row; the ideal rate is that of slots that never wait for each other, for the database or for events."""
    tries = outcome.tries / len(outcome.ready)
    return (
        f"{deployment.replicas:>8}{outcome.steady_per_second:>10.3g}{_ideal(deployment, times):>9.3g}"
        f"{outcome.mean_wait:>9.3g}{tries:>7.2g}{outcome.busy:>6}{outcome.database_use:>10.0%}"
    )


def _ideal(deployment: Deployment, times: Times) -> float:
    conversion = mean(times.conversions) * deployment.conversion_factor
    seconds = conversion + times.delivery + times.choose + times.claim + times.convert
    return deployment.replicas * deployment.slots / seconds


if __name__ == "__main__":
    main()
