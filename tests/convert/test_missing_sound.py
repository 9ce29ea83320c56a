"""The missing seconds follow from FFmpeg's counts, the declared duration, and the sound that was written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.convert.encode.run_statistics import Decoded
from functions.convert.output.missing_sound import Written, missing_seconds
from functions.convert.probe.audio_track import AudioTrack
from functions.convert.probe.declared_duration import DeclaredDuration
from functions.convert.probe.probe import Probe

TRACK = AudioTrack(index=1, codec="mp3", rate=1000, layout="mono")
PROBE = Probe((TRACK,), default_track=1)
DAMAGE = "[mov @ 0x1] stream 0, offset 0x2f: partial file"
NO_FRAME, FAILED = "[mp3float @ 0x1] Header missing", "[dec:mp3 @ 0x1] Error submitting packet to decoder: Invalid data"
TWELVE_SECONDS = DeclaredDuration(12.0)
WRITTEN = Written(10.0, by_timestamps=False, junk=0)


def _missing(
    *messages: str,
    frames: int = 100,
    errors: int = 0,
    track_start: float = 0.0,
    rate: int | None = 1000,
    written: Written = WRITTEN,
    **probe: Any,
) -> float | None:
    """Return the missing seconds if ten seconds were decoded, in frames of a tenth of a second each."""
    decoded = Decoded(frames, errors, frames * 100)
    track = replace(TRACK, start=track_start, rate=rate)
    return missing_seconds(decoded, "\n".join(messages), replace(PROBE, **probe), track, written)


def test_missing_sound_is_unknown_if_nothing_was_decoded_or_the_rate_is_unknown() -> None:
    assert _missing(frames=0, errors=5) is None
    assert _missing(rate=None) is None


@pytest.mark.parametrize(("errors", "missing"), [(0, 0.0), (1, 0.1), (7, 0.7), (100, 10.0)])
def test_each_error_counts_as_a_missing_frame(errors: int, missing: float) -> None:
    assert _missing(errors=errors) == missing
    assert _missing(DAMAGE, errors=errors, duration=60.0, written=replace(WRITTEN, seconds=None)) == missing
    assert _missing(frames=200, errors=errors) == missing


def test_missing_seconds_are_rounded_to_the_millisecond() -> None:
    assert _missing(frames=3, errors=1, written=replace(WRITTEN, seconds=None)) == 0.1
    assert _missing("", duration=12.34567, declared=DeclaredDuration(12.34567), is_audio_only=True) == 2.346
    assert _missing(written=replace(WRITTEN, seconds=8.76543, by_timestamps=True)) == 1.135


@pytest.mark.parametrize(
    ("seconds", "by_timestamps", "dropped"),
    [(8.0, True, 1.9), (9.95, True, 0.0), (12.0, True, 0.0), (8.0, False, 0.0)],
)
def test_overlapping_sound_is_dropped_if_it_is_placed_by_its_timestamps(
    seconds: float, by_timestamps: bool, dropped: float
) -> None:
    assert _missing(written=Written(seconds, by_timestamps=by_timestamps, junk=0)) == dropped
    assert _missing(errors=3, written=Written(seconds, by_timestamps=by_timestamps, junk=0)) == pytest.approx(
        dropped + 0.3
    )


@pytest.mark.parametrize(
    ("messages", "probe", "missing"),
    [
        # A picture may be longer than its sound, so the duration alone is not evidence.
        ((), {"duration": 14.0}, 0.0),
        ((DAMAGE,), {"duration": 14.0}, 4.0),
        ((f"[mov @ 0x1] Unknown codec {DAMAGE}",), {"duration": 14.0}, 0.0),
        ((DAMAGE,), {"duration": 14.0, "start": 1.0}, 5.0),
        ((DAMAGE,), {"duration": 10.08}, 0.0),
        ((DAMAGE,), {"duration": 9.0}, 0.0),
        ((DAMAGE,), {"duration": None}, 0.0),
        # In an audio file it is, and also if the file's own header declares more than the file contains.
        ((), {"duration": 14.0, "is_audio_only": True}, 4.0),
        ((), {"duration": 10.08, "is_audio_only": True}, 0.0),
        ((), {"duration": 12.0, "declared": DeclaredDuration(14.0)}, 4.0),
        ((), {"duration": 14.0, "declared": DeclaredDuration(14.08)}, 0.0),
        ((), {"duration": 14.0, "declared": DeclaredDuration(12.0)}, 0.0),
        ((), {"duration": None, "declared": DeclaredDuration(14.0)}, 4.0),
        ((DAMAGE,), {"duration": 14.0, "declared": DeclaredDuration(12.0)}, 4.0),
        # A header is not evidence if it contradicts itself, or declares more than a thousand times the sound.
        ((DAMAGE,), {"duration": 14.0, "declared": DeclaredDuration(credible=False)}, 0.0),
        ((DAMAGE,), {"duration": 14.0, "declared": DeclaredDuration(14.0, credible=False)}, 0.0),
        ((DAMAGE,), {"duration": 10_000.0}, 9990.0),
        ((DAMAGE,), {"duration": 10_000.1}, 0.0),
        # A duration that FFmpeg estimated is not evidence.
        ((DAMAGE,), {"duration": 14.0, "duration_is_estimated": True}, 0.0),
        ((), {"duration": 14.0, "duration_is_estimated": True, "declared": DeclaredDuration(12.0)}, 0.0),
        (
            (),
            {
                "duration": 14.0,
                "duration_is_estimated": True,
                "is_audio_only": True,
                "declared": DeclaredDuration(12.0),
            },
            0.0,
        ),
        ((DAMAGE,), {"duration": 14.0, "duration_is_estimated": True, "declared": DeclaredDuration(12.0)}, 2.0),
    ],
)
def test_sound_shorter_than_declared_is_missing_only_with_evidence_of_damage(
    messages: tuple[str, ...], probe: dict[str, Any], missing: float
) -> None:
    assert _missing(*messages, **probe) == pytest.approx(missing)


def test_a_late_start_is_not_missing_sound() -> None:
    assert _missing(DAMAGE, duration=14.0, track_start=3.0) == pytest.approx(1.0)
    assert _missing(DAMAGE, duration=14.0, track_start=5.0) == 0.0
    assert _missing(DAMAGE, duration=14.0, track_start=103.0, start=100.0) == pytest.approx(1.0)


def test_silence_that_fills_gaps_counts_as_written() -> None:
    alone: dict[str, Any] = {"duration": 14.0, "is_audio_only": True}
    assert _missing(**alone, written=replace(WRITTEN, seconds=13.95)) == 0.0
    assert _missing(**alone, written=replace(WRITTEN, seconds=13.8)) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("errors", "length", "missing"),
    [(50, 12.0, 2.1), (50, 10.0, 0.1), (50, 9.0, 0.1), (3, 12.0, 0.3), (50, None, 5.0)],
)
def test_no_more_is_missing_than_the_duration_allows(errors: int, length: float | None, missing: float) -> None:
    assert _missing(errors=errors, duration=length) == pytest.approx(missing)


@pytest.mark.parametrize(
    ("messages", "errors", "junk", "missing"),
    [
        ((NO_FRAME,) * 4, 4, 0, 0.0),
        ((NO_FRAME, FAILED) * 2, 4, 0, 0.0),
        ((NO_FRAME, FAILED, FAILED, FAILED), 6, 0, 0.4),
        ((FAILED,) * 4, 4, 0, 0.4),
        ((), 4, 0, 0.4),
        ((), 4, 3, 0.1),
        ((), 4, 9, 0.0),
        ((NO_FRAME, FAILED, FAILED, FAILED), 6, 1, 0.4),
        ((NO_FRAME, FAILED, FAILED, FAILED), 6, 5, 0.1),
        ((f" {NO_FRAME}", f"{NO_FRAME}s", f"x{NO_FRAME}"), 3, 0, 0.3),
        # The middle of a long report is missing, so the rest is extrapolated.
        ((NO_FRAME, FAILED), 40, 0, 0.0),
        ((NO_FRAME, FAILED, FAILED), 40, 0, 2.0),
    ],
)
def test_junk_is_not_missing_sound_in_a_stream_of_estimated_duration(
    messages: tuple[str, ...], errors: int, junk: int, missing: float
) -> None:
    written = replace(WRITTEN, junk=junk)
    assert _missing(*messages, errors=errors, written=written, duration_is_estimated=True) == pytest.approx(missing)
    assert _missing(*messages, errors=errors, written=written) == pytest.approx(errors / 10)


@pytest.mark.parametrize(
    "probe",
    [
        {"duration": 10_000.1},
        {"duration": 14.0, "declared": DeclaredDuration(credible=False)},
        {"declared": DeclaredDuration(None)},
    ],
)
def test_a_duration_that_is_not_credible_does_not_limit_what_is_missing(probe: dict[str, Any]) -> None:
    assert _missing(errors=50, **probe) == pytest.approx(5.0)


def test_up_to_a_tenth_of_a_second_is_padding() -> None:
    short = Written(0.1, by_timestamps=False, junk=0)
    assert _missing(DAMAGE, frames=1, duration=0.2, written=short) == 0.0
    assert _missing(DAMAGE, frames=1, duration=0.3, written=short) == pytest.approx(0.2)
    assert _missing(frames=1, rate=2000, duration=0.2, is_audio_only=True, written=short) == 0.0
    assert _missing(frames=1, rate=2000, duration=0.1, declared=DeclaredDuration(0.2), written=short) == 0.0
    assert _missing(frames=1, duration=0.5, written=short) == 0.0
    assert _missing(frames=1, duration=0.5, declared=DeclaredDuration(0.7), written=short) == pytest.approx(0.6)
    assert _missing(frames=1, declared=DeclaredDuration(1.05), written=short) == pytest.approx(0.95)
