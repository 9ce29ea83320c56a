"""FFmpeg's own messages are separated from text of the file, regardless of block, line and message boundaries."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from functions.convert.probe.ffmpeg_log import ENVIRONMENT, LEVEL, FfmpegLog, own_lines, own_text
from soundlift.common.process.ffmpeg import binary
from tests.factories.clips import SINE, ffmpeg

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
    whole = _lines(log, len(log))
    assert "   Stream #0:0(e) [a @ 0x1] x ): Audio: aac (LC), 44100 Hz, mono, fltp, delay 1024" in whole
    assert "Exiting with exit code 0" in whole
    for block in (1, 2, 3, 7, 100):
        assert _lines(log, block) == whole


@pytest.mark.parametrize("quoted", [b"x\n[a @ 0x1] y\nz", b"\n\n", b"x\n  Stream #0:1: Audio: aac", b"x" * 10_000])
def test_a_message_that_quotes_several_lines_yields_one_line(quoted: bytes) -> None:
    message = TIME + OPEN + b"[a @ 0x1] " + CLOSE + OPEN + b"no such codec: " + quoted + b"\n"
    log = message + CLOSE + TIME + OPEN + b"[b @ 0x2] " + CLOSE + OPEN + b"the next\n" + CLOSE
    first, second = _lines(log, len(log))
    whole = f"[a @ 0x1] no such codec: {quoted.decode().splitlines()[0]}"
    assert (first[:2048], first[-1], second) == (whole[:2048], whole[-1], "[b @ 0x2] the next")


def test_the_end_of_a_long_message_is_not_part_of_its_first_line() -> None:
    log = TIME + OPEN + b"[a @ 0x1] no such codec: " + b"x" * 5000 + b"\n" + b"y" * 10_000 + CLOSE
    for block in (100, len(log)):
        assert "y" not in "".join(_lines(log, block))


def test_a_message_of_another_thread_within_a_line_is_recognized() -> None:
    log = TIME + b"  Duration: N/A, bitrate: N/A" + OPEN + b"[a @ 0x1] " + CLOSE + OPEN + b"the message\n" + CLOSE
    assert _lines(log, len(log)) == ["   Duration: N/A, bitrate: N/A", "[a @ 0x1] the message"]


def test_a_line_within_a_message_is_not_about_the_file() -> None:
    log = TIME + b"    a\n" + STREAM + b"b: c\n" + TIME + STREAM.replace(b"aac", b"mp3")
    for block in (1, 7, len(log)):
        assert _lines(log, block) == ["   Stream #0:0: Audio: mp3"]


def test_lines_about_the_output_are_not_about_the_file() -> None:
    output = TIME + OPEN + b"[out#0/mp3 @ 0x1] " + CLOSE + OPEN + b"Adding streams\n" + CLOSE
    assert _lines(output + TIME + STREAM, 100) == ["[out#0/mp3 @ 0x1] Adding streams"]


def test_skipped_text_is_counted() -> None:
    lines = FfmpegLog()
    for block in (TIME, b"    title: x\n" * 10_000, b"y" * 1000, TIME):
        assert list(lines.read(block)) == []
    assert lines.skipped == 13 * 10_000 + 1000


def _own(component: bytes, message: bytes) -> bytes:
    return TIME + OPEN + b"[" + component + b" @ 0x1] " + CLOSE + OPEN + message + CLOSE


def test_a_message_over_the_length_limit_keeps_both_ends() -> None:
    # Lengths are in bytes and include escape sequences and the component; the first 2048 and the last 4096 are kept.
    begin = len(_own(b"a", b"")) - len(TIME) - len(CLOSE)
    for length, kept in ((8192, 8192), (8193, 2048 + 4096)):
        message = b"<" + b"x" * (length - begin - len(CLOSE) - 2) + b">"
        (line,) = _lines(_own(b"a", message), 100_000)
        assert line.startswith("[a @ 0x1] <xxx")
        assert line.endswith("xxx>")
        assert len(line) == len("[a @ 0x1] ") + len(message) - (length - kept)


@pytest.mark.parametrize(("at", "is_kept"), [(2047, True), (2048, False), (5000, False), (20_000 - 4097, False)])
def test_the_rest_of_a_line_is_not_joined_to_the_next(at: int, is_kept: bool) -> None:
    head = OPEN + b"[a @ 0x1] " + CLOSE + OPEN
    message = (head + b"x" * (at - len(head)) + b"\n").ljust(20_000 - len(CLOSE), b"y") + CLOSE
    (line,) = _lines(TIME + message, len(message) + len(TIME))
    assert line == "[a @ 0x1] " + "x" * (min(at, 2048) - len(head))
    assert is_kept == (at < 2048)


@pytest.mark.parametrize("length", [30, 400, 512, 513, 1023, 1024, 1025, 3000])
def test_both_ends_of_a_stream_line_are_kept(length: int) -> None:
    line = (STREAM[:14] + b"(" + b"l" * length)[: length - 11] + b"\nAudio: mp3"
    (found,) = _lines(TIME + line + b"\n\n", 7)
    whole = " " + line.decode().replace("\n", " ")
    assert found == (whole if len(line) <= 1024 else whole[: 1 + 512] + whole[-512:])


def test_the_input_duration_and_stream_lines_of_a_file_are_kept() -> None:
    log = TIME.join(
        [b"", b"Input #0, mp3, from 'x'\n  Duration: of a name\n", b"  Metadata:\n", b"    title: a\n",
         b"  Duration: N/A, bitrate: N/A\nb", STREAM, b"  Program 1 \n", b"Input #1, wav\n", b"  Stream #1:0: Audio\n"]
    )  # fmt: skip
    kept = [" Input #0, mp3, from 'x'", "   Duration: N/A, bitrate: N/A", "   Stream #0:0: Audio: aac"]
    for block in (1, 5, len(log)):
        assert _lines(log, block) == kept


def test_lines_after_the_first_output_are_not_about_the_file() -> None:
    for output in (b"out#0/mp3", b"aost#0:0/libmp3lame"):
        log = TIME + STREAM + _own(output, b"x\n") + TIME + STREAM + TIME + b"Input #0, mp3\n" + TIME + STREAM
        assert _lines(log, 50) == ["   Stream #0:0: Audio: aac", f"[{output.decode()} @ 0x1] x"]
    log = _own(b"out#1", b"x\n") + _own(b"in#0", b"y\n") + TIME + STREAM
    assert _lines(log, 50)[-1] == "   Stream #0:0: Audio: aac"


def test_a_stream_in_a_group_is_recognized_as_a_line_about_the_file() -> None:
    grouped = TIME + OPEN + b"    Stream #0:3(a\nb): Audio: opus\n" + CLOSE
    assert _lines(grouped, 1000) == ["   Stream #0:3(a b): Audio: opus"]
    assert _lines(_own(b"out#0", b"x\n") + grouped, 1000) == ["[out#0 @ 0x1] x"]
    assert _lines(grouped.replace(b"    Stream", b"  Stream"), 1000) == ["  Stream #0:3(a"]


def test_only_loudness_values_are_kept_after_the_first_line() -> None:
    values = b'\n{\n\t"input_i" : "-20.0",\n\t"input_tp" : "-3.0"\n}\n \t"x"\n'
    assert _lines(_own(b"Parsed_loudnorm_0", values), 10) == [
        "[Parsed_loudnorm_0 @ 0x1] ",
        '\t"input_i" : "-20.0",',
        '\t"input_tp" : "-3.0"',
    ]
    assert _lines(_own(b"Parsed_volume_0", values), 10) == ["[Parsed_volume_0 @ 0x1] "]
    assert _lines(TIME + OPEN + b"\nx" + CLOSE, 10) == []


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert _lines(_own(b"a", b"x\xffy\n") + TIME + b"Input #0, \xfe\n", 3) == [
        "[a @ 0x1] x\ufffdy",
        " Input #0, \ufffd",
    ]


def test_own_lines_exclude_quoted_text() -> None:
    report = "one\n two\n\nthree\n \n"
    assert own_lines(report) == ["one", "three"]
    assert own_text(report) == "one\nthree"


def test_each_skipped_byte_is_counted_once() -> None:
    lines, log = FfmpegLog(), b""
    for part in (b"    title: x\n" * 900, b"    a: b\n", b"x" * 9000, b"    c\n" * 2000, STREAM):
        log += TIME + part
    log += TIME
    for size in (10, 64, 65, 1000, len(log)):
        lines = FfmpegLog()
        found = [line for at in range(0, len(log), size) for line in lines.read(log[at : at + size])]
        assert found == ["   Stream #0:0: Audio: aac"]
        assert lines.skipped == 13 * 900 + 9 + 9000 + 6 * 2000
