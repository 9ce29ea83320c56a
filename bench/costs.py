"""Measures what one video costs: `python -m bench.costs`; the figures are those of soundlift/cli/sizing/figures.py.

The first part sends videos of ten seconds through all functions, MariaDB and RabbitMQ. The second converts a short and
a longer video to each format on one core. All figures are processor time, which other programs change little.
"""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa
import urllib3

from bench.harness import servers
from bench.harness.deployment import Deployment, temporary_deployment
from bench.harness.pipeline import Pipeline, pipeline, tree_seconds
from bench.harness.processes import Gunicorn, served
from bench.inputs.clips import FOLDER, clip, ffmpeg
from bench.inputs.populations import Population, fill
from devservers.waiting import wait_for
from soundlift.common.audio.output_formats import REQUESTABLE
from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.events import event_for, to_http

VIDEOS, UPLOADERS = 60, 4
SHORT, LONG = 10, 120  # seconds
TIMES = 3
REAP_SECONDS = 0.1  # until the time of FFmpeg's processes counts as that of their parent
TIMEOUT_SECONDS = 600
COUNTERS = ("Questions", "Com_select", "Com_insert", "Com_update", "Com_delete", "Com_commit", "Innodb_data_fsyncs")
STORED = Population(jobs=50_000, events=0, users=500)

Figures = dict[str, float]


def main() -> None:
    """Print the figures of both parts, a line each."""
    clip(SHORT)
    with pipeline(slots=2, deliveries=2) as running:
        _show("pipeline, 10 s", of_pipeline(running))
    _show("database", {"bytes per job": _bytes_per_job()})
    with (
        temporary_deployment(CONVERT_CONCURRENCY="1", LOG_LEVEL="error") as deployment,
        served("functions.convert.handler:app", deployment.environment) as convert,
    ):
        for name in REQUESTABLE:
            _show(name, of_format(deployment, convert, name))
        _show("pictures", _of_pictures(deployment, convert))


def _show(what: str, figures: Figures) -> None:
    values = ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items())
    print(f"{what}: {values}", flush=True)


def of_pipeline(running: Pipeline) -> Figures:
    """Return the processor seconds of each process, and the work of the database, for one video."""
    _send(running, 2 * UPLOADERS)
    database = running.services.database
    before, counted = running.processor_seconds(), _counters(database)
    _send(running, VIDEOS)
    after, counts = running.processor_seconds(), _counters(database)
    seconds = {name: (after[name] - before[name]) / VIDEOS for name in after}
    return seconds | {name: (counts[name] - counted[name]) / VIDEOS for name in COUNTERS}


def _send(running: Pipeline, videos: int) -> None:
    expected = len(running.mail.messages) + videos
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(lambda _: running.upload(clip(SHORT)), range(videos)))
    wait_for(lambda: len(running.mail.messages) >= expected, f"{videos} mails are sent", seconds=TIMEOUT_SECONDS)


def _counters(database: Database) -> Figures:
    with database.read() as connection:
        rows = connection.execute(sa.text("SHOW GLOBAL STATUS")).all()
    return {name: float(value) for name, value in rows if name in COUNTERS}


def _bytes_per_job() -> float:
    """Return the size of all tables and indexes of MariaDB for each job, with everything that belongs to it."""
    with servers.mariadb() as url:
        migrate(url)
        database = open_database(url, seconds=TIMEOUT_SECONDS)
        fill(database, STORED, "")
        sizes = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
        with database.write() as connection:
            connection.execute(sa.text("ANALYZE TABLE job, job_history, notification"))
            size = connection.scalar(sa.text(sizes))
        database.engine.dispose()
    return float(size or 0) / STORED.jobs


def of_format(deployment: Deployment, convert: Gunicorn, name: str) -> Figures:
    """Return the processor seconds of a conversion to a format, fixed and per minute, and the size of a minute."""
    options = json.dumps({"format": name})
    short, _ = _conversion(deployment, convert, clip(SHORT), options)
    long, size = _conversion(deployment, convert, clip(LONG), options)
    per_minute = (long - short) / (LONG - SHORT) * 60
    return {"per minute": per_minute, "fixed": short - per_minute * SHORT / 60, "bytes per minute": size * 60 / LONG}


def _of_pictures(deployment: Deployment, convert: Gunicorn) -> Figures:
    """Return the processor seconds for each megabyte of pictures, past which the sound is read."""
    video, sound = clip(LONG), FOLDER / f"{LONG}-seconds-sound.mp4"
    subprocess.run(ffmpeg("-y", "-i", str(video), "-vn", "-c", "copy", str(sound)), check=True)
    (with_pictures, _), (without, _) = (_conversion(deployment, convert, each, None) for each in (video, sound))
    return {"per MB": (with_pictures - without) / ((video.stat().st_size - sound.stat().st_size) / 1e6)}


def _conversion(deployment: Deployment, convert: Gunicorn, video: Path, options: str | None) -> tuple[float, int]:
    """Return the least processor seconds of some conversions of a video, and the size of the audio file."""
    job_ids = [deployment.queued_job(video, options=options).id for _ in range(TIMES)]
    seconds = [_convert(deployment, convert, job_id) for job_id in job_ids]
    done = deployment.services.jobs.find(job_ids[0])
    assert done is not None
    assert done.mp3_bytes is not None, done
    for job_id in job_ids:
        deployment.delete_files(job_id)
    return min(seconds), done.mp3_bytes


def _convert(deployment: Deployment, convert: Gunicorn, job_id: str) -> float:
    """Convert a job, and return the processor seconds that this took."""
    job = deployment.services.jobs.find(job_id)
    assert job is not None
    began = tree_seconds(convert.pid)
    headers, body = to_http(event_for(job))
    answer = urllib3.request("POST", convert.url, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False)
    assert answer.status == 200, answer.data
    time.sleep(REAP_SECONDS)
    return tree_seconds(convert.pid) - began


if __name__ == "__main__":
    main()
