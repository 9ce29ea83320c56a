"""The command `soundlift demo`, which converts one video on an embedded stack."""

from __future__ import annotations

import mailbox
import re
import secrets
import subprocess
import sys
import time
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import click

from soundlift.cli.demo_video import make_demo_video
from soundlift.cli.deployment import create_services
from soundlift.cli.embedded_stack import StackFailed, environment_without_settings, running_stack
from soundlift.client import Client, Job
from soundlift.common.printable import escaped
from soundlift.common.process.process_group import process_group
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.local.program_name import program_name
from soundlift.local.terminal import wrap

EMAIL = "you@example.org"
MAIL_SECONDS = 30
POLL_SECONDS = 0.05
INDENT = " " * 10  # the width of the time before each step
MAIL_MARGIN = f"{INDENT}| "


class Steps:
    """The printed steps of the demo, each with the time since its start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def show(self, text: str) -> None:
        """Print one step."""
        prefix = f"{time.monotonic() - self._started:6.2f} s  "
        click.echo(wrap(escaped(text), sys.stdout, prefix=prefix, indent=INDENT))


@click.command()
@click.argument("video", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="soundlift-demo",
    show_default=True,
    help="Folder for the MP3; created if missing.",
)
@click.option("--verbose", is_flag=True, help="Show the log of the servers afterwards.")
def demo(video: Path | None, output: Path, verbose: bool) -> None:
    """Convert one video, and show each step.

    Everything is started for that on this machine, and stopped afterwards. Without VIDEO, a short test video is
    made and converted.
    """
    steps = Steps()
    output.mkdir(parents=True, exist_ok=True)
    with temporary_folder("video") as folder, temporary_folder("demo") as data:
        video = video or _make_video(folder, steps)
        with running_stack(data, verbose=verbose) as url:
            steps.show(f"started gateway, connector, mail catcher and cron at {url}")
            target = _convert(video, url, data, output, steps)
    steps.show("stopped everything")
    click.echo(f"\nYour MP3: {escaped(str(target))}\nNext:     {program_name()} up")


def _make_video(folder: Path, steps: Steps) -> Path:
    try:
        video = make_demo_video(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackFailed(f"The test video could not be made ({error}). Name a video of your own.") from None
    steps.show("made a test video: a melody of 8 seconds")
    return video


def _convert(video: Path, url: str, data: Path, output: Path, steps: Steps) -> Path:
    password = secrets.token_urlsafe(12)
    services = create_services(data, environment_without_settings())
    services.users.add(EMAIL, services.passwords.hash_new(password))
    steps.show(f"added the user {EMAIL}")
    client = Client(url, email=EMAIL, password=password)
    client.login()
    steps.show("logged in")
    job = client.upload(video)
    steps.show(f"uploaded {video.name} ({video.stat().st_size / 1e6:.1f} MB): job {job.id}")
    job = client.wait(job.id, on_progress=lambda current: steps.show(f"{current.state}, {current.percent} %"))
    mail = _find_mail(job, data)
    if not job.ready:
        _print_mail(mail)
        raise StackFailed(job.error or f"The job was {job.state}.")
    target = client.download(job, output / video.with_suffix(".mp3").name, replace=True)
    steps.show(f"downloaded {target}: {_describe(target)}")
    steps.show("the mail:")
    _print_mail(mail)
    return target


def _find_mail(job: Job, data: Path) -> EmailMessage:
    def find() -> EmailMessage | None:
        folder = data / "mail"
        if not (folder / "new").is_dir():
            return None
        messages = (mailbox.Maildir(folder, create=False).get_bytes(key) for key in mailbox.Maildir(folder).iterkeys())
        return next((_parse(content) for content in messages if job.id.encode() in content), None)

    deadline = time.monotonic() + MAIL_SECONDS
    while (mail := find()) is None:
        if time.monotonic() > deadline:
            raise StackFailed(f"No mail arrived within {MAIL_SECONDS} seconds.")
        time.sleep(POLL_SECONDS)
    return mail


def _parse(content: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def _print_mail(mail: EmailMessage) -> None:
    body = mail.get_body(("plain",))
    headers = [f"{name}: {mail[name]}" for name in ("From", "To", "Subject")]
    text = [*headers, "", *(body.get_content() if body else "").rstrip().splitlines()]
    click.echo(wrap("\n".join(text), sys.stdout, prefix=MAIL_MARGIN, indent=MAIL_MARGIN))


def _describe(mp3: Path) -> str:
    """Return the duration, bit rate and channels of an MP3, as FFmpeg reports them."""
    import imageio_ffmpeg

    probe = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(mp3)],
        capture_output=True, text=True, check=False, process_group=process_group(),
    )  # fmt: skip
    length = re.search(r"Duration: ([\d:.]+)", probe.stderr)
    stream = re.search(r"Audio: mp3[^,]*, (\d+ Hz), (\w+),.*?(\d+ kb/s)", probe.stderr)
    if not length or not stream:
        raise StackFailed(f"{mp3} is not an MP3.")
    return f"{length[1]} long, {stream[3]}, {stream[1]}, {stream[2]}"
