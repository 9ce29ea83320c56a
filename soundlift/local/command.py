"""The command `soundlift up`, and the option that names its data folder."""

from __future__ import annotations

from pathlib import Path

import click

from soundlift.local.retention import Duration

DEFAULT_PORT = 8080

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder; overrides SOUNDLIFT_DATA."
)


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Port to listen on."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 means all addresses."
)
@data_option
@click.option(
    "--keep",
    type=Duration(),
    help="How long videos and audio files are kept, such as 7d or 12h; overrides RETENTION_SECONDS.",
)
def up(port: int, host: str, data: Path | None, keep: int | None) -> None:
    """Run all of Soundlift on this machine.

    It runs until Ctrl-C. A database, broker, media store or mail server set in the environment is used; the others are
    embedded.
    """
    from soundlift.local.start import start  # only this command needs these libraries, which are slow to import

    start(host, port, data, keep)
