"""The messages of FFmpeg's log, separated from text of the file that FFmpeg quotes in them.

FFmpeg prints some text of a file unchanged, including line breaks, such as the language of a stream or the name of a
tag. A file can therefore put any line into the log, but not the escape character: libavutil's logger replaces control
characters in everything that it prints. With AV_LOG_FORCE_COLOR the logger itself writes an escape sequence before the
name of the component that a message comes from, before each message of a level other than `info`, and, with the flag
`time`, before the time of day at the beginning of each message. So the beginning of a message can be recognized; any
other text is quoted. https://github.com/FFmpeg/FFmpeg/blob/master/libavutil/log.c
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ENVIRONMENT = {"AV_LOG_FORCE_COLOR": "1"}
LEVEL = "+time+verbose"
"""The value of FFmpeg's option -loglevel that FfmpegLog needs."""
QUOTED = " "
"""The prefix of a line that contains, or may contain, text of the file."""
CONTEXT = r"(?:\[[^\]]{1,99} @ 0x[0-9a-f]{1,16}\] ){1,4}"
"""A pattern for the components that one of FFmpeg's own lines comes from."""

MAX_MESSAGE_BYTES, HEAD_BYTES, TAIL_BYTES = 8192, 2048, 4096  # bytes
STREAM_END_BYTES = 512  # FFmpeg's description of a stream's codec has at most 256
ESCAPE = b"\x1b"
COLOR = re.compile(rb"\x1b\[[0-9;]{1,20}m")
BEGINNING = re.compile(rb"\x1b\[[0-9;]{1,20}m[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} \x1b\[0m")
MAX_BEGINNING_BYTES = 64
HEADING = (b"Input #0, ", b"  Duration: ")
STREAM = b"  Stream #0:"
READ = (ESCAPE, STREAM, *HEADING)
GROUPED_STREAM = re.compile(rb" {3,}(?=Stream #0:)")  # of a group, as in IAMF: indented, and at level `verbose`
OUTPUT = (b"[out#0", b"[aost#0")
LOUDNESS = b"[Parsed_loudnorm_"
LOUDNESS_VALUE = b'\t"'


class FfmpegLog:
    """A reader of FFmpeg's log that yields FFmpeg's own lines unchanged, and lines about the file prefixed with QUOTED.

    The latter are the input, duration and stream lines, until the first output is opened. If a stream's language
    contains line breaks, its line is joined again. `skipped` is the number of bytes of all other lines so far.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._rest = b""
        self._in_heading = True

    def read(self, block: bytes) -> Iterator[str]:
        """Yield the lines of the messages that end in a block of the log."""
        if ESCAPE not in block and _can_be_skipped(self._rest):
            self.skipped += len(block)
            return
        *ended, rest = BEGINNING.split(self._rest + block)
        for message in ended:
            yield from self._lines_of(message)
        self._rest = _shortened(rest)
        self.skipped += len(rest) - len(self._rest)

    def end(self) -> Iterator[str]:
        """Yield the remaining lines when the log has ended."""
        yield from self._lines_of(self._rest)

    def _lines_of(self, message: bytes) -> Iterator[str]:
        """Yield the lines of a message, including those of another thread's message within it."""
        if not message.startswith(READ) and ESCAPE not in message:
            self.skipped += len(message)
            return
        quoted, escape, own = _shortened(message).partition(ESCAPE)
        if quoted:
            yield from self._about_file(quoted)
        if own:
            yield from self._own(COLOR.sub(b"", escape + own))

    def _own(self, message: bytes) -> Iterator[str]:
        line, *quoted = message.split(b"\n")
        self._in_heading = self._in_heading and not line.startswith(OUTPUT)
        if indent := GROUPED_STREAM.match(line):
            yield from self._about_file(b"  " + message[indent.end() :])
        elif line:
            yield _text(line)
        if line.startswith(LOUDNESS):
            yield from (_text(value) for value in quoted if value.startswith(LOUDNESS_VALUE))

    def _about_file(self, message: bytes) -> Iterator[str]:
        if self._in_heading and message.startswith(STREAM):
            line = message.rstrip(b"\n").replace(b"\n", b" ")
            head, tail = line[:STREAM_END_BYTES], line[STREAM_END_BYTES:][-STREAM_END_BYTES:]
            yield QUOTED + _text(head + tail)
        elif self._in_heading and message.startswith(HEADING):
            yield QUOTED + _text(message.partition(b"\n")[0])


def own_text(report: str) -> str:
    """Return a report without text quoted from the file: a title may be "The End of File"."""
    return "\n".join(own_lines(report))


def own_lines(report: str) -> list[str]:
    """Return FFmpeg's own lines in a report."""
    return [line for line in report.split("\n") if line and not line.startswith(QUOTED)]


def _can_be_skipped(rest: bytes) -> bool:
    """Return whether further text of a message can be skipped if it has no escape character."""
    return len(rest) > MAX_BEGINNING_BYTES and not rest.startswith(READ) and ESCAPE not in rest


def _shortened(message: bytes) -> bytes:
    """Return a message, without its middle if it is long: FFmpeg's own text is at both ends, or in the first line."""
    if len(message) <= MAX_MESSAGE_BYTES:
        return message
    line_break = b"\n" if b"\n" in message[HEAD_BYTES:-TAIL_BYTES] else b""
    return message[:HEAD_BYTES] + line_break + message[-TAIL_BYTES:]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
