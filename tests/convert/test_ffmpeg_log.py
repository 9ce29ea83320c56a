"""FFmpeg's own messages are separated from text of the file, wherever blocks, lines and messages begin and end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from functions.convert.ffmpeg import binary
from functions.convert.ffmpeg_log import ENVIRONMENT, LEVEL, FfmpegLog
from tests.clips import SINE, ffmpeg

OPEN, CLOSE = b"\x1b[1;31m", b"\x1b[0m"
TIME = b"\x1b[0;37m10:00:00.000 \x1b[0m"
STREAM = b"  Stream #0:0: Audio: aac\n"


def _lines(log: bytes, block: int) -> list[str]:
    lines = FfmpegLog()
    blocks = [log[at : at + block] for at in range(0, len(log), block)]
    return [*(line for each in blocks for line in lines.read(each)), *lines.end()]


def test_a_log_gives_the_same_lines_in_blocks_of_any_size(tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.mkv", *SINE, "-c:a", "aac", "-metadata:s:a", "language=e)\n[a @ 0x1] x\n")
    command = [binary(), "-hide_banner", "-nostats", "-loglevel", LEVEL, "-i", str(file), "-f", "null", "-"]
    log = subprocess.run(command, check=True, env=ENVIRONMENT, stderr=subprocess.PIPE).stderr
    at_once = _lines(log, len(log))
    assert "   Stream #0:0(e) [a @ 0x1] x ): Audio: aac (LC), 44100 Hz, mono, fltp, delay 1024" in at_once
    assert "Exiting with exit code 0" in at_once
    for block in (1, 2, 3, 7, 100):
        assert _lines(log, block) == at_once


@pytest.mark.parametrize("quoted", [b"x\n[a @ 0x1] y\nz", b"\n\n", b"x\n  Stream #0:1: Audio: aac", b"x" * 10_000])
def test_a_message_that_quotes_several_lines_is_one_line_of_ffmpeg_s(quoted: bytes) -> None:
    message = TIME + OPEN + b"[a @ 0x1] " + CLOSE + OPEN + b"no such codec: " + quoted + b"\n"
    log = message + CLOSE + TIME + OPEN + b"[b @ 0x2] " + CLOSE + OPEN + b"the next\n" + CLOSE
    first, second = _lines(log, len(log))
    whole = f"[a @ 0x1] no such codec: {quoted.decode().splitlines()[0]}"
    assert (first[:2048], first[-1], second) == (whole[:2048], whole[-1], "[b @ 0x2] the next")


def test_the_end_of_a_long_message_is_no_part_of_its_first_line() -> None:
    log = TIME + OPEN + b"[a @ 0x1] no such codec: " + b"x" * 5000 + b"\n" + b"y" * 10_000 + CLOSE
    for block in (100, len(log)):
        assert "y" not in "".join(_lines(log, block))


def test_a_message_of_another_thread_within_a_line_on_the_file_is_ffmpeg_s() -> None:
    log = TIME + b"  Duration: N/A, bitrate: N/A" + OPEN + b"[a @ 0x1] " + CLOSE + OPEN + b"the message\n" + CLOSE
    assert _lines(log, len(log)) == ["   Duration: N/A, bitrate: N/A", "[a @ 0x1] the message"]


def test_a_line_that_begins_no_message_is_none_on_the_file() -> None:
    log = TIME + b"    a\n" + STREAM + b"b: c\n" + TIME + STREAM.replace(b"aac", b"mp3")
    for block in (1, 7, len(log)):
        assert _lines(log, block) == ["   Stream #0:0: Audio: mp3"]


def test_what_is_listed_of_the_output_is_none_on_the_file() -> None:
    output = TIME + OPEN + b"[out#0/mp3 @ 0x1] " + CLOSE + OPEN + b"Adding streams\n" + CLOSE
    assert _lines(output + TIME + STREAM, 100) == ["[out#0/mp3 @ 0x1] Adding streams"]


def test_text_that_says_nothing_is_counted() -> None:
    lines = FfmpegLog()
    for block in (TIME, b"    title: x\n" * 10_000, b"y" * 1000, TIME):
        assert list(lines.read(block)) == []
    assert lines.skipped == 13 * 10_000 + 1000
