"""Checks of a smoke test: the MP3, the mail, and that internal functions cannot be reached."""

from __future__ import annotations

import time
from pathlib import Path

import urllib3

from soundlift.cli.mp3_length import NotMp3, mp3_seconds
from soundlift.cli.sample_video import SECONDS
from soundlift.cli.smoke_report import CheckFailed
from soundlift.client import Client, Job, Notification

INTERNAL = ("fetch", "convert", "notify", "webhook", "cleanup")
PATHS = (
    "/{}",
    "/function/{}",
    "/function/{}.openfaas-fn",
    "/async-function/{}",
)  # OpenFaaS's gateway serves the last three
CLOSED = (401, 403, 404)
TIMEOUT = urllib3.Timeout(connect=20, read=60)
MAX_PADDING_SECONDS = 0.3  # encoder delay, and padding to a full frame of 36 ms
POLL_SECONDS = 0.5


def check_closed(url: str) -> None:
    """Raise CheckFailed if an internal function or the gateway's list of functions can be reached below an address.

    Each function is sent an empty JSON object, which is not a valid event for convert, notify and webhook, and
    merely makes cleanup run once more.
    """
    calls = [("POST", path.format(name)) for path in PATHS for name in INTERNAL]
    requests = [("GET", "/system/functions"), *calls]
    answers = [(method, path, _status(method, url + path)) for method, path in requests]
    reachable = [f"{method} {path} returned {status}" for method, path, status in answers if status not in CLOSED]
    if reachable:
        raise CheckFailed(f"{', '.join(reachable)}, expected 401, 403 or 404")


def _status(method: str, url: str) -> int:
    body = b"{}" if method == "POST" else None
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        return urllib3.request(
            method, url, body=body, headers=headers, retries=False, redirect=False, timeout=TIMEOUT
        ).status
    except urllib3.exceptions.HTTPError as error:
        raise CheckFailed(f"{method} {url} got no response ({error})") from None


def check_outcome(job: Job, seconds: float) -> None:
    """Raise CheckFailed unless the job has an MP3; `seconds` is how long the caller has waited for it."""
    if not job.ended:
        raise CheckFailed(f"job {job.id} is still {job.state} after {seconds:.0f} s")
    if not job.ready:
        raise CheckFailed(f"job {job.id} is {job.state}{f': {job.error}' if job.error else ''}")


def check_sound(mp3: Path) -> float:
    """Return the duration in seconds of the sample video's MP3; raise CheckFailed if it is too short or too long."""
    try:
        seconds = mp3_seconds(mp3.read_bytes())
    except NotMp3 as error:
        raise CheckFailed(f"the download is not a complete MP3: {error}") from None
    if not SECONDS <= seconds <= SECONDS + MAX_PADDING_SECONDS:
        raise CheckFailed(f"the MP3 lasts {seconds:.2f} s, but the video lasts {SECONDS} s")
    return seconds


def check_notified(client: Client, job: Job, seconds: float, *, must_be_accepted: bool) -> str:
    """Wait for the mail about a job, and return "sent" or "refused, as expected"; raises CheckFailed after `seconds`.

    It also raises CheckFailed if the mail server refused the address permanently and `must_be_accepted` is true.
    """
    deadline = time.monotonic() + seconds
    while (mail := _find_mail(job)) is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        job = client.job(job.id)
    if mail is None:
        raise CheckFailed(f"no mail about job {job.id} was sent within {seconds:.0f} s")
    if mail.error and must_be_accepted:
        raise CheckFailed(mail.error)
    return "refused, as expected" if mail.error else "sent"


def _find_mail(job: Job) -> Notification | None:
    """Return the mail about a job once it has been sent or refused."""
    mails = (notification for notification in job.notifications if notification.channel == "mail")
    return next((mail for mail in mails if not mail.pending), None)
