"""The duration of an MP3 is that of its frames, and an incomplete file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundlift.cli.mp3_length import NotMp3, mp3_seconds
from soundlift.cli.sample_video import SECONDS, sample_video
from tests.factories.clips import ffmpeg

MAX_PADDING = 0.3


def mp3_of_sample(folder: Path, *options: str) -> bytes:
    video = folder / "sample.avi"
    video.write_bytes(sample_video())
    return ffmpeg(folder / "sample.mp3", "-i", str(video), "-vn", *options).read_bytes()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("tags", [("-id3v2_version", "3", "-write_id3v1", "1"), ("-id3v2_version", "0")])
@pytest.mark.parametrize("quality", [("-q:a", "2"), ("-b:a", "64k")])
def test_the_frames_of_an_mp3_are_as_long_as_its_video(
    tmp_path: Path, rate: int, tags: tuple[str, ...], quality: tuple[str, ...]
) -> None:
    mp3 = mp3_of_sample(tmp_path, "-ar", str(rate), "-metadata", "title=T", *tags, *quality)
    assert SECONDS <= mp3_seconds(mp3) <= SECONDS + MAX_PADDING


def test_a_file_that_is_truncated_or_has_other_data_between_frames_is_refused(tmp_path: Path) -> None:
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
def test_an_invalid_frame_header_is_refused(header: bytes) -> None:
    with pytest.raises(NotMp3):
        mp3_seconds(header + bytes(2000))
