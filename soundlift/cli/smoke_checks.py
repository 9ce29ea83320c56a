"""Checks what a deployment answers to a smoke test: its MP3, its mail, and the functions that are not for clients."""

from __future__ import annotations

import time
from pathlib import Path

import urllib3

from soundlift.cli.mp3_length import NotMp3, mp3_seconds
from soundlift.cli.sample_video import SECONDS
from soundlift.cli.smoke_report import CheckFailed
from soundlift.client import Client, Job, Notification

INTERNAL = ("convert", "notify", "cleanup")
PATHS = (
    "/{}",
    "/function/{}",
    "/function/{}.openfaas-fn",
    "/async-function/{}",
)  # OpenFaaS's gateway has three of them
CLOSED = (401, 403, 404)
TIMEOUT = urllib3.Timeout(connect=20, read=60)
MOST_ADDED_SECONDS = 0.3  # of the encoder: delay, and padding to whole frames of 36 ms
LOOK_AGAIN_SECONDS = 0.5


def check_closed(url: str) -> None:
    """Raise CheckFailed if an internal function, or the gateway's list of functions, can be reached below an address.

    Each function gets an empty JSON object: no event to convert and notify, and to cleanup one call more.
    """
    calls = [("POST", path.format(name)) for path in PATHS for name in INTERNAL]
    requests = [("GET", "/system/functions"), *calls]
    answers = [(method, path, _status(method, url + path)) for method, path in requests]
    reached = [f"{method} {path} was answered {status}" for method, path, status in answers if status not in CLOSED]
    if reached:
        raise CheckFailed(f"{', '.join(reached)}, expected 401, 403 or 404")


def _status(method: str, url: str) -> int:
    body = b"{}" if method == "POST" else None
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        return urllib3.request(
            method, url, body=body, headers=headers, retries=False, redirect=False, timeout=TIMEOUT
        ).status
    except urllib3.exceptions.HTTPError as error:
        raise CheckFailed(f"{method} {url} was not answered ({error})") from None


def check_outcome(job: Job, seconds: float) -> None:
    """Raise CheckFailed unless a job that was waited for has an MP3."""
    if not job.ended:
        raise CheckFailed(f"job {job.id} is still {job.state} after {seconds:.0f} s")
    if not job.ready:
        raise CheckFailed(f"job {job.id} is {job.state}{f', because: {job.error}' if job.error else ''}")


def check_sound(mp3: Path) -> float:
    """Return the seconds of sound in an MP3 of the sample video; raise CheckFailed if they are too few or too many."""
    try:
        seconds = mp3_seconds(mp3.read_bytes())
    except NotMp3 as error:
        raise CheckFailed(f"what was downloaded is not a whole MP3: {error}") from None
    if not SECONDS <= seconds <= SECONDS + MOST_ADDED_SECONDS:
        raise CheckFailed(f"the MP3 lasts {seconds:.2f} s, and the video {SECONDS} s")
    return seconds


def check_notified(client: Client, job: Job, seconds: float, *, must_be_accepted: bool) -> str:
    """Wait for the mail of a job, and return "sent" or "refused, as expected"; raise CheckFailed if it is neither.

    A mail server that permanently refuses the address is an error only if `must_be_accepted`.
    """
    deadline = time.monotonic() + seconds
    while (mail := _mail_of(job)) is None and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)
        job = client.job(job.id)
    if mail is None:
        raise CheckFailed(f"no mail about job {job.id} was sent within {seconds:.0f} s")
    if mail.error and must_be_accepted:
        raise CheckFailed(mail.error)
    return "refused, as expected" if mail.error else "sent"


def _mail_of(job: Job) -> Notification | None:
    """Return the mail of a job once it was sent or refused."""
    return next((one for one in job.notifications if one.channel == "mail" and not one.pending), None)
