"""The outcome of FFmpeg leads to one failure reason, to an error of the worker, or to an MP3."""

from __future__ import annotations

import signal

import pytest

from functions.convert.encode.run_statistics import Decoded
from functions.convert.failures import (
    BROKEN,
    CUT_OFF,
    EMPTY_AUDIO,
    ENCRYPTED_SOUND,
    NOTHING_LEFT,
    TOO_COMPLEX,
    TOO_LARGE,
    TOO_LONG,
    UNKNOWN_CODEC,
    ConversionFailed,
    FailureReason,
    check_outcome,
    check_status,
    find_reason,
    has_damage,
    no_such_track,
)
from soundlift.common.errors import Unavailable

DRM = "[asf @ 0x1] DRM protected stream detected, decoding will likely fail!"
MEMORY = "Error opening input files: Cannot allocate memory"
CUT = "[mov @ 0x1] moov atom not found"
CODEC = "[out#0/mp3 @ 0x1] Error opening output: Decoder not found"


@pytest.mark.parametrize(
    ("status", "message", "decoded", "mp3_bytes", "reason"),
    [
        (0, "", True, 1, None),
        (0, "", True, 1000, None),
        (0, "", True, 1001, TOO_LARGE),
        (1, MEMORY, False, 1001, TOO_LARGE),
        # If sound was decoded, only two reasons count; otherwise all of them do, and take precedence over the status.
        (0, DRM, True, 1, ENCRYPTED_SOUND),
        (1, MEMORY, True, 1, TOO_COMPLEX),
        (0, CUT, True, 1, None),
        (0, CODEC, True, 1, None),
        (0, CUT, False, 0, CUT_OFF),
        (1, CUT, False, 0, CUT_OFF),
        (1, CODEC, False, 0, UNKNOWN_CODEC),
        (1, DRM, False, 0, ENCRYPTED_SOUND),
        (0, "", False, 1, EMPTY_AUDIO),
        (1, "", False, 1, BROKEN),
        (-signal.SIGABRT, "", False, 0, BROKEN),
        (0, "", True, 0, NOTHING_LEFT),
        (1, "", True, 0, BROKEN),
        (1, "", True, 1, BROKEN),
        (-1, CUT, True, 1, BROKEN),
    ],
)
def test_each_outcome_has_its_failure_reason(
    status: int, message: str, decoded: bool, mp3_bytes: int, reason: FailureReason | None
) -> None:
    report = f"[mp3 @ 0x1] another message\n{message}\nthe last message"
    statistics = Decoded(frames=1, errors=0, samples=1) if decoded else Decoded(0, 0, 0)
    if reason is None:
        check_outcome(status, report, decoded=statistics, output_bytes=mp3_bytes, max_bytes=1000)
        return
    with pytest.raises(ConversionFailed) as failed:
        check_outcome(status, report, decoded=statistics, output_bytes=mp3_bytes, max_bytes=1000)
    assert failed.value.reason == reason
    assert str(failed.value) == reason.message


@pytest.mark.parametrize(("errors", "reason"), [(0, EMPTY_AUDIO), (1, BROKEN)])
def test_sound_that_cannot_be_decoded_is_damaged_not_empty(errors: int, reason: FailureReason) -> None:
    with pytest.raises(ConversionFailed) as failed:
        check_outcome(0, "", decoded=Decoded(0, errors, 0), output_bytes=0, max_bytes=1000)
    assert failed.value.reason == reason
    check_outcome(0, "", decoded=Decoded(1, errors, 1), output_bytes=1, max_bytes=1000)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((), None),
        ((f" {DRM}", f"x{CUT}", f"{CUT}x", ""), None),
        ((CUT, CODEC), CUT_OFF),
        ((CODEC, CUT), CUT_OFF),
        ((CODEC, CUT, MEMORY), TOO_COMPLEX),
        ((CODEC, CUT, MEMORY, DRM), ENCRYPTED_SOUND),
    ],
)
def test_the_most_important_of_several_reasons_counts(lines: tuple[str, ...], reason: FailureReason | None) -> None:
    assert find_reason("\n".join(lines)) == reason


@pytest.mark.parametrize(("status", "report"), [(0, ""), (1, CUT), (2, ""), (125, ""), (128, ""), (255, "")])
def test_an_exit_status_alone_is_not_a_failure_reason(status: int, report: str) -> None:
    check_status(status, report)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((-signal.SIGXCPU, TOO_LONG), (-signal.SIGXFSZ, TOO_LARGE)),
        *((-1, TOO_COMPLEX), (-signal.SIGABRT, TOO_COMPLEX), (-signal.SIGSEGV, TOO_COMPLEX)),
    ],
)
def test_a_crash_is_a_failure_of_the_file(status: int, reason: FailureReason) -> None:
    with pytest.raises(ConversionFailed) as failed:
        check_status(status, "")
    assert failed.value.reason == reason


@pytest.mark.parametrize(
    ("status", "report", "retry_after"),
    [(-signal.SIGKILL, CUT, None), (-signal.SIGTERM, CUT, None), (126, CUT, 60), (127, CUT, 60), (1, "", 60)],
)
def test_an_ffmpeg_that_cannot_start_or_was_killed_is_retried(
    status: int, report: str, retry_after: int | None
) -> None:
    with pytest.raises(Unavailable) as error:
        check_status(status, report)
    assert error.value.retry_after == (retry_after or Unavailable("").retry_after)


@pytest.mark.parametrize(
    ("messages", "damaged"),
    [
        ("", False),
        (CUT, True),
        (f"a message\n{CUT}\nanother", True),
        (f"a message {CUT}", False),
        ("[mp3 @ 0x1] Header missing", False),
        ("[a @ 0x1] Unsupported corrupt packet", False),
        ("[a @ 0x1] Truncated file", True),
    ],
)
def test_damage_is_recognized_at_the_beginning_of_ffmpegs_lines(messages: str, damaged: bool) -> None:
    assert has_damage(messages) is damaged


@pytest.mark.parametrize(
    ("wanted", "tracks", "languages", "description"),
    [
        (2, 1, [], "track 2. It has one audio track."),
        ("fra", 1, ["eng"], "track fra. It has one audio track, eng."),
        (5, 3, [], "track 5. It has 3 audio tracks."),
        ("fra", 3, ["eng", "deu"], "track fra. It has 3 audio tracks: eng, deu."),
    ],
)
def test_the_failure_for_a_missing_track_lists_the_existing_ones(
    wanted: int | str, tracks: int, languages: list[str], description: str
) -> None:
    expected = FailureReason("no_such_track", f"The video has no audio {description}")
    assert no_such_track(wanted, tracks, languages) == expected
