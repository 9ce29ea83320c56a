"""How much of a sound was lost follows from what FFmpeg counted, what the file declares, and what was written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.convert.output.loss import Written, lost_seconds
from functions.convert.probe.declared_duration import Declared
from functions.convert.probe.sound import Sound, Track

TRACK = Track(index=1, codec="mp3", rate=1000, layout="mono")
SOUND = Sound(
    (TRACK,), begun=1, start=0.0, length=None, pictures=(), tags_on_track=False, starts_anew=False,
    length_is_of_sound=False,
)  # fmt: skip
DAMAGE = "[mov @ 0x1] stream 0, offset 0x2f: partial file"
NO_FRAME, FAILED = "[mp3float @ 0x1] Header missing", "[dec:mp3 @ 0x1] Error submitting packet to decoder: Invalid data"
WRITTEN = Written(10.0, in_time=False, junk=0)


def _lost(
    *said: str,
    frames: int = 100,
    errors: int = 0,
    begins: float = 0.0,
    rate: int | None = 1000,
    written: Written = WRITTEN,
    **sound: Any,
) -> float | None:
    """Return what is lost of ten seconds that were decoded, in frames of a tenth of a second each."""
    counts = f"{frames} frames decoded; {errors} decode errors ({frames * 100} samples); "
    decoded = f"[in#0/mp3 @ 0x1]   Input stream #0:1 (audio): 9 packets read (9 bytes); {counts}"
    track = replace(TRACK, start=begins, rate=rate)
    return lost_seconds("\n".join([*said, decoded]), replace(SOUND, **sound), track, written)


def test_what_is_lost_is_unknown_where_nothing_was_decoded_or_the_rate_is_unknown() -> None:
    assert _lost(frames=0, errors=5) is None
    assert _lost(rate=None) is None


@pytest.mark.parametrize(("errors", "lost"), [(0, 0.0), (1, 0.1), (7, 0.7), (100, 10.0)])
def test_each_error_is_a_frame_that_is_lost(errors: int, lost: float) -> None:
    assert _lost(errors=errors) == lost
    assert _lost(DAMAGE, errors=errors, length=60.0, written=replace(WRITTEN, seconds=None)) == lost
    assert _lost(frames=200, errors=errors) == lost


def test_seconds_are_told_to_the_millisecond() -> None:
    assert _lost(frames=3, errors=1, written=replace(WRITTEN, seconds=None)) == 0.1
    assert _lost("", length=12.34567, declared=Declared(12.34567), length_is_of_sound=True) == 2.346
    assert _lost(written=replace(WRITTEN, seconds=8.76543, in_time=True)) == 1.135


@pytest.mark.parametrize(
    ("seconds", "in_time", "dropped"),
    [(8.0, True, 1.9), (9.95, True, 0.0), (12.0, True, 0.0), (8.0, False, 0.0)],
)
def test_sound_that_overlapped_was_dropped_where_it_is_placed_by_time(
    seconds: float, in_time: bool, dropped: float
) -> None:
    assert _lost(written=Written(seconds, in_time=in_time, junk=0)) == dropped
    assert _lost(errors=3, written=Written(seconds, in_time=in_time, junk=0)) == pytest.approx(dropped + 0.3)


@pytest.mark.parametrize(
    ("said", "sound", "lost"),
    [
        # A picture may be longer than its sound, so a length alone proves nothing.
        ((), {"length": 14.0}, 0.0),
        ((DAMAGE,), {"length": 14.0}, 4.0),
        ((f"[mov @ 0x1] Unknown codec {DAMAGE}",), {"length": 14.0}, 0.0),
        ((DAMAGE,), {"length": 14.0, "start": 1.0}, 5.0),
        ((DAMAGE,), {"length": 10.08}, 0.0),
        ((DAMAGE,), {"length": 9.0}, 0.0),
        ((DAMAGE,), {"length": None}, 0.0),
        # Of sound alone it does, and where the file's own header declares more than there is.
        ((), {"length": 14.0, "length_is_of_sound": True}, 4.0),
        ((), {"length": 10.08, "length_is_of_sound": True}, 0.0),
        ((), {"length": 12.0, "declared": Declared(14.0)}, 4.0),
        ((), {"length": 14.0, "declared": Declared(14.08)}, 0.0),
        ((), {"length": 14.0, "declared": Declared(12.0)}, 0.0),
        ((), {"length": None, "declared": Declared(14.0)}, 4.0),
        ((DAMAGE,), {"length": 14.0, "declared": Declared(12.0)}, 4.0),
        # A header that contradicts itself is no evidence, nor is one of more than a thousand times the sound.
        ((DAMAGE,), {"length": 14.0, "declared": Declared(credible=False)}, 0.0),
        ((DAMAGE,), {"length": 14.0, "declared": Declared(14.0, credible=False)}, 0.0),
        ((DAMAGE,), {"length": 10_000.0}, 9990.0),
        ((DAMAGE,), {"length": 10_000.1}, 0.0),
        # Nor is what FFmpeg estimated.
        ((DAMAGE,), {"length": 14.0, "length_is_estimated": True}, 0.0),
        ((), {"length": 14.0, "length_is_estimated": True, "declared": Declared(12.0)}, 0.0),
        ((DAMAGE,), {"length": 14.0, "length_is_estimated": True, "declared": Declared(12.0)}, 2.0),
    ],
)
def test_a_sound_that_falls_short_of_its_length_is_lost_where_there_is_damage(
    said: tuple[str, ...], sound: dict[str, Any], lost: float
) -> None:
    assert _lost(*said, **sound) == pytest.approx(lost)


def test_sound_that_begins_late_does_not_fall_short_of_its_length_by_that() -> None:
    assert _lost(DAMAGE, length=14.0, begins=3.0) == pytest.approx(1.0)
    assert _lost(DAMAGE, length=14.0, begins=5.0) == 0.0
    assert _lost(DAMAGE, length=14.0, begins=103.0, start=100.0) == pytest.approx(1.0)


def test_silence_put_in_for_gaps_counts_as_written() -> None:
    alone: dict[str, Any] = {"length": 14.0, "length_is_of_sound": True}
    assert _lost(**alone, written=replace(WRITTEN, seconds=13.95)) == 0.0
    assert _lost(**alone, written=replace(WRITTEN, seconds=13.8)) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("errors", "length", "lost"),
    [(50, 12.0, 2.1), (50, 10.0, 0.1), (50, 9.0, 0.1), (3, 12.0, 0.3), (50, None, 5.0)],
)
def test_no_more_is_lost_than_the_length_leaves_room_for(errors: int, length: float | None, lost: float) -> None:
    assert _lost(errors=errors, length=length) == pytest.approx(lost)


@pytest.mark.parametrize(
    ("said", "errors", "junk", "lost"),
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
        # Of a long report the middle is missing, so what is there stands for all.
        ((NO_FRAME, FAILED), 40, 0, 0.0),
        ((NO_FRAME, FAILED, FAILED), 40, 0, 2.0),
    ],
)
def test_what_is_no_frame_is_not_lost_in_a_stream_whose_length_is_estimated(
    said: tuple[str, ...], errors: int, junk: int, lost: float
) -> None:
    written = replace(WRITTEN, junk=junk)
    assert _lost(*said, errors=errors, written=written, length_is_estimated=True) == pytest.approx(lost)
    assert _lost(*said, errors=errors, written=written) == pytest.approx(errors / 10)


@pytest.mark.parametrize(
    "sound",
    [{"length": 10_000.1}, {"length": 14.0, "declared": Declared(credible=False)}, {"declared": Declared(None)}],
)
def test_a_length_that_is_not_believed_does_not_bound_what_is_lost_either(sound: dict[str, Any]) -> None:
    assert _lost(errors=50, **sound) == pytest.approx(5.0)


def test_a_tenth_of_a_second_is_padding_and_of_a_short_sound_the_rest_is_not() -> None:
    short = Written(0.1, in_time=False, junk=0)
    assert _lost(DAMAGE, frames=1, length=0.2, written=short) == 0.0
    assert _lost(DAMAGE, frames=1, length=0.3, written=short) == pytest.approx(0.2)
    assert _lost(frames=1, rate=2000, length=0.2, length_is_of_sound=True, written=short) == 0.0
    assert _lost(frames=1, rate=2000, length=0.1, declared=Declared(0.2), written=short) == 0.0
    assert _lost(frames=1, length=0.5, written=short) == 0.0
    assert _lost(frames=1, length=0.5, declared=Declared(0.7), written=short) == pytest.approx(0.6)
    assert _lost(frames=1, declared=Declared(1.05), written=short) == pytest.approx(0.95)
