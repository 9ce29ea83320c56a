"""For each safeguard, a schedule of a few seconds that only it survives."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.safeguards.process.sitecustomize import CLAIM_SECONDS
from tests.chaos.safeguards.stack import GuardedStack


@dataclass(frozen=True)
class Scenario:
    """What happens to a stack, and the checks that fail afterwards if the safeguard is off."""

    safeguard: str
    happen: Callable[[GuardedStack], None]
    found_by: frozenset[str]
    disk_error: bool = False


def a_second_worker_gets_the_event_and_the_first_is_killed(stack: GuardedStack) -> None:
    """Two workers at a job write two files, of which the row names one; the other is left by the kill."""
    stack.hold("convert stored the file")
    job = stack.upload("mp4")
    stack.wait_until_held("convert stored the file")
    stack.send_again(job)
    stack.wait_for_deliveries("video", running=1)
    stack.wait_for_deliveries("mp3", running=0)
    stack.kill_gateway()


def a_worker_wakes_up_after_its_claim_has_lapsed(stack: GuardedStack) -> None:
    """It ends the job while the row names the file of the worker that has taken its place."""
    stack.hold("convert ends the job")
    job = stack.upload("mp4")
    stack.wait_until_held("convert ends the job")
    stack.lapse_claims()
    stack.hold("convert made the file")
    stack.send_again(job)
    stack.wait_until_held("convert made the file")
    stack.release("convert ends the job")
    stack.wait_for_deliveries("video", running=1)
    stack.release("convert made the file")


def a_conversion_takes_longer_than_a_claim(stack: GuardedStack) -> None:
    """Without a heartbeat, each worker looks dead, and the job is given up after the third."""
    stack.hold("all convert made the file")
    job = stack.upload("mp4")
    stack.wait_for_state(job, "converting")
    deadline = time.monotonic() + 3.5 * CLAIM_SECONDS
    while time.monotonic() < deadline and stack.cleanup() is not None:
        time.sleep(0.1)
    stack.release("all convert made the file")


def an_event_is_lost(stack: GuardedStack) -> None:
    stack.signal_connector(signal.SIGSTOP)
    stack.upload("mp4")
    stack.lose_messages("video")
    stack.signal_connector(signal.SIGCONT)


def the_event_of_an_outcome_arrives_twice(stack: GuardedStack) -> None:
    stack.hold("notify sent the mail")
    job = stack.upload("mp4")
    stack.wait_until_held("notify sent the mail")
    stack.send_again(job)
    stack.wait_for_deliveries("mp3", running=1)
    stack.release("notify sent the mail")


def the_store_fails_while_ffmpeg_reads(stack: GuardedStack) -> None:
    stack.end_disk_error(stack.upload("transport-stream"))


def the_power_is_cut_after_an_upload_a_conversion_and_a_deletion(stack: GuardedStack) -> None:
    deleted = stack.upload("flac")
    stack.wait_for_state(deleted, "ready")
    stack.wait_for_state(stack.upload("mp4"), "ready")
    stack.delete(deleted)
    stack.hold("convert was called")
    stack.upload("matroska")
    stack.wait_until_held("convert was called")
    stack.cut_power()


SCENARIOS = [
    Scenario(
        "claim",
        a_second_worker_gets_the_event_and_the_first_is_killed,
        frozenset({"every audio file in the store has a job"}),
    ),
    Scenario(
        "compare-and-set",
        a_worker_wakes_up_after_its_claim_has_lapsed,
        frozenset({"a ready job has a file that decodes"}),
    ),
    Scenario(
        "heartbeat", a_conversion_takes_longer_than_a_claim, frozenset({"a job is given up only after interruptions"})
    ),
    Scenario("resend", an_event_is_lost, frozenset({"no job is stuck"})),
    Scenario(
        "notification claim",
        the_event_of_an_outcome_arrives_twice,
        frozenset({"a mail is repeated only after an interruption"}),
    ),
    Scenario(
        "store-error record",
        the_store_fails_while_ffmpeg_reads,
        frozenset({"a file has the length of its clip"}),
        disk_error=True,
    ),
    Scenario(
        "fsync", the_power_is_cut_after_an_upload_a_conversion_and_a_deletion, frozenset({"every job has its video"})
    ),
]
