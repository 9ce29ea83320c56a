"""The command `soundlift smoke-test`, which converts a small video on a deployment and checks each step."""

from __future__ import annotations

import io
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import click

from soundlift.cli.number_range import NumberRange
from soundlift.cli.sample_video import sample_video
from soundlift.cli.sign_in import EMAIL_HELP, create_client, sign_in_options_with
from soundlift.cli.smoke_account import TemporaryAccount
from soundlift.cli.smoke_checks import check_closed, check_notified, check_outcome, check_sound
from soundlift.cli.smoke_report import Note, Report, StepFailed
from soundlift.client import Client, Job
from soundlift.local.command import data_option

NEWEST_JOBS = 50

ADVICE = {
    "account": "set DATABASE_URL (or --data) to the deployment's, or sign in to an existing account with --email",
    "sign-in": "check that /login exists below --url, and that DATABASE_URL or --email belongs to the same deployment",
    "internal functions": "route only login, upload, jobs, download, validate and web through the proxy or ingress",
    "upload": "check the log of upload, and that the proxy or ingress lets large bodies through",
    "conversion": "check the log of convert, and that a connector runs, or on Knative that the Trigger is READY",
    "download": "check the log of download, and that MEDIA_URL is the same for all functions",
    "sound": "check the log of convert, and that no proxy modifies responses",
    "mail": "check the log of notify, and that the server of SMTP_URL accepts this mail",
    "delete job": "check the log of jobs, and delete the job of the file smoke-test-….avi",
    "delete account": "run `soundlift user list` and `soundlift user remove`",
}


@click.command("smoke-test")
@sign_in_options_with(f"{EMAIL_HELP} Default: a temporary account.")
@click.option("--mail-to", metavar="ADDRESS", help="Address that receives the temporary account's mail. Default: none.")
@click.option(
    "--timeout",
    type=NumberRange(1, 3600),
    default=120,
    show_default=True,
    help="Seconds to wait for the MP3, and then for the mail.",
)
@data_option
def smoke_test(
    url: str,
    email: str | None,
    password: str | None,
    token: str | None,
    mail_to: str | None,
    timeout: float,
    data: Path | None,
) -> None:
    """Check a deployment with a small video.

    The video is converted and checked, and deleted afterwards with its job. Without --email and --token, a temporary
    account is added to the deployment's database (DATABASE_URL, or the data folder of `soundlift up`) and then removed.
    The exit code is 1 if a step failed.
    """
    if mail_to and (email or token):
        raise click.UsageError("--mail-to is for the temporary account: omit --email and --token.")
    report = Report()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with ExitStack() as cleanup, suppress(StepFailed):
        if email or token:
            client = create_client(url, email, password, token)
        else:
            client = _temporary_client(url, data, mail_to, report, cleanup)
        must_be_accepted = bool(email or token or mail_to)
        _SmokeTest(client, report, cleanup, timeout, must_be_accepted).run(sign_in=not token)
    click.echo("Smoke test failed." if report.failed else "Smoke test passed.")
    sys.exit(report.failed)


def _temporary_client(url: str, data: Path | None, mail_to: str | None, report: Report, cleanup: ExitStack) -> Client:
    """Add a temporary account, and remove it at the end even if the addition was interrupted: it may have succeeded."""
    try:
        with report.step("account", ADVICE["account"]):
            account = TemporaryAccount(data, mail_to)
            cleanup.callback(_clean_up, report, "delete account", account.remove)
            account.add()
    except StepFailed:
        cleanup.pop_all()
        raise
    return Client(url, email=account.email, password=account.password)


def _clean_up(report: Report, name: str, delete: Callable[[], None]) -> None:
    """Run a step whose failure does not prevent the other steps."""
    with suppress(StepFailed), report.step(name, ADVICE[name]):
        delete()


@dataclass
class _SmokeTest:
    """The steps of one test, for a user who may have other jobs on the deployment."""

    client: Client
    report: Report
    cleanup: ExitStack
    timeout: float
    must_be_accepted: bool
    file_name: str = field(default_factory=lambda: f"smoke-test-{secrets.token_hex(4)}.avi")

    def run(self, *, sign_in: bool) -> None:
        """Run all steps, even if internal functions can be reached; raises StepFailed if another step fails."""
        with self._step("sign-in"):
            if sign_in:
                self.client.login()
            self.client.validate()
        with suppress(StepFailed), self._step("internal functions") as note:
            check_closed(self.client.url)
            note.text = "not reachable"
        job = self._convert()
        self._download(job)
        with self._step("mail") as note:
            note.text = check_notified(self.client, job, self.timeout, must_be_accepted=self.must_be_accepted)

    def _convert(self) -> Job:
        self.cleanup.callback(_clean_up, self.report, "delete job", self._delete)
        with self._step("upload"):
            job = self.client.upload(io.BytesIO(sample_video()), self.file_name)
        with self._step("conversion"):
            job = self.client.wait(job.id, timeout=self.timeout)
            check_outcome(job, self.timeout)
        return job

    def _download(self, job: Job) -> None:
        with tempfile.TemporaryDirectory(prefix="soundlift-smoke-test-") as folder:
            with self._step("download"):
                mp3 = self.client.download(job, Path(folder, "sound.mp3"))
            with self._step("sound") as note:
                note.text = f"{check_sound(mp3):.1f} s"

    def _delete(self) -> None:
        """Delete the job, after cancelling it if it has not ended; it may exist even if the upload failed."""
        for job in islice(self.client.jobs(), NEWEST_JOBS):
            if job.file_name == self.file_name:
                self.client.delete(job.id)

    def _step(self, name: str) -> AbstractContextManager[Note]:
        return self.report.step(name, ADVICE[name])
