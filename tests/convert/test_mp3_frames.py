"""Frames are read to the last byte, and the front frame tells every length that its frames may have, and no other."""

from __future__ import annotations

from io import BytesIO

import pytest

from functions.convert.mp3_frames import LONGEST_PADDING, FrontFrame, NotMp3, frames
from soundlift.common.audio_options import AudioOptions
from tests.clips import SINE, ffmpeg
from tests.convert.sounds import by_one_encoder, recipe_of

SAMPLES, DELAY = 1152, 576  # of a frame of MPEG-1, and of LAME as its tag tells it, without the 529 of decoders


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("mp3")
    sound = ffmpeg(folder / "a.wav", *SINE, "-ac", "2")
    return by_one_encoder(sound, recipe_of(AudioOptions()), folder / "a.mp3").read_bytes()


def test_the_frames_are_all_there_is(mp3: bytes) -> None:
    found = list(frames(BytesIO(mp3)))
    assert b"".join(found) == mp3
    assert len(found) - 1 == int.from_bytes(mp3[44:48])  # as Xing counts them, without its own
    assert list(frames(BytesIO())) == []


@pytest.mark.parametrize("behind", [b"\0", b"\xff\xfb\x90", b"\xff\xfb\x90\0", b"TAG" + bytes(125)])
def test_what_is_behind_the_last_frame_and_no_frame_is_refused(mp3: bytes, behind: bytes) -> None:
    with pytest.raises(NotMp3):
        list(frames(BytesIO(mp3 + behind)))


def test_a_last_frame_that_is_cut_off_is_refused(mp3: bytes) -> None:
    with pytest.raises(NotMp3):
        list(frames(BytesIO(mp3[:-1])))


def test_a_length_is_told_if_the_padding_behind_it_can_be_written(mp3: bytes) -> None:
    front = FrontFrame.at_start_of(BytesIO(mp3))
    longest = int.from_bytes(mp3[44:48]) * SAMPLES - DELAY
    for samples in (longest, longest - LONGEST_PADDING + 1):
        assert front.lasting(samples).samples == samples
    for samples in (longest + 1, longest - LONGEST_PADDING):
        with pytest.raises(NotMp3):
            front.lasting(samples)
