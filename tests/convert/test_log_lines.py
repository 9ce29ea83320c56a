"""FFmpeg's own messages are separated from text of the file, wherever blocks, lines and messages begin and end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from functions.convert.ffmpeg import binary
from functions.convert.log_lines import ENVIRONMENT, LogLines
from tests.clips import SINE, ffmpeg

OPEN, CLOSE = b"\x1b[1;31m", b"\x1b[0m"


def _lines(log: bytes, block: int) -> list[str]:
    lines = LogLines()
    blocks = [log[at : at + block] for at in range(0, len(log), block)]
    return [*(line for each in blocks for line in lines.read(each)), *lines.end()]


def test_a_log_gives_the_same_lines_in_blocks_of_any_size(tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.mkv", *SINE, "-c:a", "aac", "-metadata:s:a", "language=e)\n[a @ 0x1] x\n")
    command = [binary(), "-hide_banner", "-nostats", "-loglevel", "verbose", "-i", str(file), "-f", "null", "-"]
    log = subprocess.run(command, check=True, env=ENVIRONMENT, stderr=subprocess.PIPE).stderr
    at_once = _lines(log, len(log))
    assert "   Stream #0:0(e) [a @ 0x1] x ): Audio: aac (LC), 44100 Hz, mono, fltp, delay 1024" in at_once
    assert "Exiting with exit code 0" in at_once
    for block in (1, 2, 3, 7, 100):
        assert _lines(log, block) == at_once


@pytest.mark.parametrize("quoted", [b"x\n[a @ 0x1] y\nz", b"\n\n", b"x\n  Stream #0:1: Audio: aac"])
def test_a_message_that_quotes_several_lines_is_one_line_of_ffmpeg_s(quoted: bytes) -> None:
    message = OPEN + b"[a @ 0x1] " + CLOSE + OPEN + b"no such codec: " + quoted + b"\n"
    log = message + CLOSE + OPEN + b"[b @ 0x2] " + CLOSE + OPEN + b"the next\n" + CLOSE
    own = [line for line in _lines(log, len(log)) if not line.startswith(" ")]
    assert own == [f"[a @ 0x1] no such codec: {quoted.decode().splitlines()[0]}", "[b @ 0x2] the next"]


def test_a_message_of_another_thread_within_a_line_on_the_file_is_ffmpeg_s() -> None:
    log = b"  Duration: N/A, bitrate: N/A" + OPEN + b"[a @ 0x1] " + CLOSE + OPEN + b"the message\n" + CLOSE
    assert _lines(log, len(log)) == ["   Duration: N/A, bitrate: N/A", "[a @ 0x1] the message"]
