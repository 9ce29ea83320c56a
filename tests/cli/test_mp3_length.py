"""The length of an MP3 is that of its frames, and what is not whole has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundlift.cli.mp3_length import NotMp3, mp3_seconds
from soundlift.cli.sample_video import SECONDS, sample_video
from tests.factories.clips import ffmpeg

LONGEST_PADDING = 0.3


def mp3_of_sample(folder: Path, *options: str) -> bytes:
    video = folder / "sample.avi"
    video.write_bytes(sample_video())
    return ffmpeg(folder / "sample.mp3", "-i", str(video), "-vn", *options).read_bytes()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("tags", [("-id3v2_version", "3", "-write_id3v1", "1"), ("-id3v2_version", "0")])
@pytest.mark.parametrize("quality", [("-q:a", "2"), ("-b:a", "64k")])
def test_the_frames_of_an_mp3_last_as_long_as_its_video(
    tmp_path: Path, rate: int, tags: tuple[str, ...], quality: tuple[str, ...]
) -> None:
    mp3 = mp3_of_sample(tmp_path, "-ar", str(rate), "-metadata", "title=T", *tags, *quality)
    assert SECONDS <= mp3_seconds(mp3) <= SECONDS + LONGEST_PADDING


def test_what_is_cut_off_or_has_something_between_its_frames_is_not_whole(tmp_path: Path) -> None:
    mp3 = mp3_of_sample(tmp_path)
    middle = len(mp3) // 2
    for broken in (
        mp3[:-1],
        mp3[:middle] + b"\0" * 50 + mp3[middle:],
        mp3 + b"<html>",
        b"<html>",
        b"",
        mp3[:3],
        mp3[:60],
    ):
        with pytest.raises(NotMp3):
            mp3_seconds(broken)


@pytest.mark.parametrize("header", [b"\xff\xfb\xf0\x00", b"\xff\xfb\x00\x00", b"\xff\xfb\x9c\x00", b"\xff\xff\x90\x00"])
def test_a_header_that_no_mp3_has_is_refused(header: bytes) -> None:
    with pytest.raises(NotMp3):
        mp3_seconds(header + bytes(2000))
