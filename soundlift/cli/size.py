"""The command `soundlift size`, which computes what a number of videos needs."""

from __future__ import annotations

import click

from soundlift.cli.number_range import NumberRange
from soundlift.cli.outcome import json_line
from soundlift.cli.sizing.estimate import Estimate
from soundlift.cli.sizing.load import DAY_SECONDS, Load
from soundlift.cli.sizing.report import document, lines
from soundlift.common.audio.output_formats import REQUESTABLE
from soundlift.common.settings import Settings

MEGABYTES_PER_MINUTE = 15.0  # 2 Mbit/s, as of a video of 720p
positive = NumberRange(0.01, 10**6)


@click.command()
@click.option("--videos-per-day", type=click.IntRange(1, 10**8), required=True, help="Videos in 24 hours.")
@click.option(
    "--minutes-per-video", type=NumberRange(0.01, 1440), default=10.0, show_default=True, help="Length of a video."
)
@click.option("--megabytes-per-video", type=positive, help="Size of a video; by default, 15 for each minute.")
@click.option(
    "--format",
    "audio_format",
    type=click.Choice(REQUESTABLE),
    default=REQUESTABLE[0],
    show_default=True,
    help="Format of the audio files.",
)
@click.option(
    "--peak-factor",
    type=NumberRange(1, 1000),
    default=3.0,
    show_default=True,
    help="How many times as many arrive at the peak as on average.",
)
@click.option(
    "--retention-days",
    type=NumberRange(0, 3650),
    default=Settings.retention_seconds / DAY_SECONDS,
    show_default=True,
    help="How long files are kept.",
)
@click.option(
    "--row-retention-days",
    type=NumberRange(0, 3650),
    default=Settings.row_retention_seconds / DAY_SECONDS,
    show_default=True,
    help="How long expired jobs are listed.",
)
@click.option(
    "--client-megabits", type=positive, default=20.0, show_default=True, help="Mbit/s with which a client uploads."
)
@click.option(
    "--downloads", type=NumberRange(0, 1000), default=1.0, show_default=True, help="Downloads of an audio file."
)
@click.option(
    "--outage-minutes",
    type=NumberRange(0, 1440),
    default=10.0,
    show_default=True,
    help="How long convert may be away at the peak.",
)
@click.option("--slots-per-pod", type=click.IntRange(1, 64), default=2, show_default=True, help="Conversions of a pod.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def size(
    videos_per_day: int,
    minutes_per_video: float,
    megabytes_per_video: float | None,
    audio_format: str,
    peak_factor: float,
    retention_days: float,
    row_retention_days: float,
    client_megabits: float,
    downloads: float,
    outage_minutes: float,
    slots_per_pod: int,
    as_json: bool,
) -> None:
    """Compute what a number of videos needs.

    It prints pods, cores, memory, storage, and the settings to change. The figures were measured on one machine; the
    page Scaling of the documentation says how to measure them on yours.
    """
    megabytes = megabytes_per_video or minutes_per_video * MEGABYTES_PER_MINUTE
    load = Load(
        videos_per_day=videos_per_day,
        minutes=minutes_per_video,
        megabytes=megabytes,
        audio_format=audio_format,
        peak_factor=peak_factor,
        retention_days=retention_days,
        row_retention_days=row_retention_days,
        client_megabits=client_megabits,
        downloads=downloads,
        outage_minutes=outage_minutes,
        slots_per_pod=slots_per_pod,
    )
    estimate = Estimate(load)
    if as_json:
        click.echo(json_line(document(estimate)))
        return
    for line in lines(estimate):
        click.echo(line)
