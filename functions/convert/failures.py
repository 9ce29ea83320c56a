"""The reasons why a video cannot be converted, and their detection in FFmpeg's exit status and report."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from soundlift.common.errors import Unavailable

from .encode.run_statistics import Decoded
from .probe.ffmpeg_log import CONTEXT, own_lines


@dataclass(frozen=True)
class FailureReason:
    """The reason why a video cannot be converted: a code for programs and a message for its owner."""

    code: str
    message: str


class ConversionFailed(Exception):
    """The video itself is the reason why it cannot be converted."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.code = reason.code


NO_AUDIO = FailureReason("no_audio", "The video has no sound: there is no audio track in it.")
NOT_MEDIA = FailureReason("not_media", "This is not a video or audio file that we can read.")
CUT_OFF = FailureReason("cut_off", "The file is incomplete: its end is missing. Upload the complete file.")
ENCRYPTED_SOUND = FailureReason("drm_protected", "The video is copy-protected (DRM), so its sound cannot be read.")
UNKNOWN_CODEC = FailureReason("unknown_codec", "The audio uses a codec that is not supported.")
EMPTY_AUDIO = FailureReason("empty_audio", "The video's audio track is empty: there is no sound in it.")
NOTHING_LEFT = FailureReason("nothing_left", "The requested start is after the end of the audio.")
TOO_LONG = FailureReason("too_long", "The conversion took too long and was stopped. Try a shorter video.")
TOO_LARGE = FailureReason("too_large", "The audio file would exceed this server's size limit. Try a shorter video.")
TOO_COMPLEX = FailureReason(
    "too_complex", "The file needs more memory than this server allows for one video, or contains too much text."
)
TOO_MANY_CHANNELS = FailureReason(
    "too_many_channels", "Sound with more than 64 channels is not supported; upload a version with fewer channels."
)
BROKEN = FailureReason("broken", "The sound is damaged, so it cannot be read.")

# Each pattern is matched against a whole line of FFmpeg's own, see ffmpeg_log. Such a line may quote a name from the
# file, so patterns are not searched for within a line.
FAILING = r"(?:Error|Decoding error|Could not|Failed to|Task finished|Terminating thread)[A-Za-z0-9 :?()-]{0,120}"
ENDED = (
    r"(?:moov atom not found|(?:root atom|stream [0-9]{1,9},) offset 0x[0-9a-f]{1,16}: partial file"
    r"|failed to (?:find|seek to) [A-Za-z0-9@ ()-]{1,120} - partial file\?"
    r"|File ended prematurely(?: at pos\. [0-9]{1,20} \(0x[0-9a-f]{1,16}\))?"
    r"|(?:[Uu]nexpected|[Pp]remature) end of file)"
)
REASONS = (
    (re.compile(rf"{CONTEXT}(?:Ext )?DRM protected stream detected, decoding will likely fail!"), ENCRYPTED_SOUND),
    (re.compile(rf"(?:{CONTEXT})?{FAILING}Cannot allocate memory\)?"), TOO_COMPLEX),
    (re.compile(rf"{CONTEXT}{ENDED}|(?:{CONTEXT})?{FAILING}End of file\)?"), CUT_OFF),
    (
        re.compile(
            rf"(?:{CONTEXT})?(?:Decoding requested, but no decoder found for: .{{1,99}}|{FAILING}Decoder not found\)?"
            r"|Decoder \(codec [a-z0-9_]{1,32}\) not found for input stream #0:[0-9]{1,9})"
        ),
        UNKNOWN_CODEC,
    ),
)
# FFmpeg quotes names from the file only after "Unknown …" and "Unsupported …", so these are excluded.
DAMAGE = re.compile(
    rf"^(?:{CONTEXT})?(?:{ENDED}|{FAILING}(?:End of file|Invalid data found when processing input)|Error submitting "
    r"|(?![Uu]n(?:known|supported))(?:[A-Za-z0-9]{1,20}[ ,:;]{1,2}){0,8}"
    r"(?:[Cc]orrupt|[Tt]runcated|Invalid data found when processing input))",
    re.MULTILINE,
)
FINAL = (ENCRYPTED_SOUND, TOO_COMPLEX)  # whatever was decoded is noise or incomplete
# The statuses of the launcher if it cannot execute FFmpeg, and of the dynamic loader if a library is missing.
NOT_STARTED = (126, 127)
LAUNCHER_NOT_STARTED = 1  # the status of Python if it cannot start, and of FFmpeg after some errors, which it logs


def no_such_track(wanted: int | str, tracks: int, languages: list[str]) -> FailureReason:
    """Return the reason for a video that does not have the requested audio track."""
    count = f"one audio track{', ' if languages else ''}" if tracks == 1 else f"{tracks} audio tracks: "
    summary = f"{count}{', '.join(languages)}".removesuffix(": ")
    return FailureReason("no_such_track", f"The video has no audio track {wanted}. It has {summary}.")


def no_container(codec: str, formats: str) -> FailureReason:
    """Return the reason for a track that cannot be stored as it is; `formats` are those to request instead."""
    message = f"The track is {codec}, for which there is no file format here. Request {formats} instead of original."
    return FailureReason("no_container", message)


def cannot_copy(reason: str) -> FailureReason:
    """Return the reason for a track that was to be copied but must be encoded again."""
    request = "Leave out copy=always, or ask for a format such as mp3 instead of the original."
    return FailureReason("cannot_copy", f"The track cannot be copied: {reason}. {request}")


def daily_minutes_exceeded(message: str) -> FailureReason:
    """Return the reason for a video whose sound is longer than what its owner may still have converted today."""
    return FailureReason("daily_minutes_exceeded", message)


def check_status(status: int, report: str) -> None:
    """Raise Unavailable if FFmpeg was killed or could not start, ConversionFailed if it hit a limit or crashed."""
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        raise Unavailable("FFmpeg was killed by another process; the job will be retried.")
    if status in NOT_STARTED or (status == LAUNCHER_NOT_STARTED and not report):
        raise Unavailable("FFmpeg cannot be started in its sandbox; the job will be retried.", retry_after=60)
    if status == -signal.SIGXCPU:
        raise ConversionFailed(TOO_LONG)
    if status == -signal.SIGXFSZ:
        raise ConversionFailed(TOO_LARGE)
    if status < 0:
        raise ConversionFailed(TOO_COMPLEX)


def check_outcome(status: int, report: str, *, decoded: Decoded, output_bytes: int, max_bytes: int) -> None:
    """Raise ConversionFailed unless FFmpeg decoded something and wrote a file of at most `max_bytes`."""
    if output_bytes > max_bytes:
        raise ConversionFailed(TOO_LARGE)
    reason = find_reason(report)
    if reason in FINAL or (reason and not decoded.samples):
        raise ConversionFailed(reason)
    if not decoded.samples:
        raise ConversionFailed(BROKEN if status or decoded.errors else EMPTY_AUDIO)
    if status != 0 or output_bytes == 0:
        raise ConversionFailed(BROKEN if status else NOTHING_LEFT)


def find_reason(report: str) -> FailureReason | None:
    """Return the failure reason that FFmpeg's own messages in a report indicate, or None."""
    lines = own_lines(report)
    return next((reason for pattern, reason in REASONS if any(map(pattern.fullmatch, lines))), None)


def has_damage(messages: str) -> bool:
    """Return whether FFmpeg's own messages report that a part of the file is damaged or missing."""
    return DAMAGE.search(messages) is not None


def reports_read_error(report: str) -> bool:
    """Return whether one of FFmpeg's own messages reports an error of the operating system during a read."""
    return any(line.endswith("Input/output error") for line in own_lines(report))
