"""Separates the messages of FFmpeg's log from the text of the file that FFmpeg quotes in them.

FFmpeg prints some text of a file unchanged, line breaks included, such as the language of a stream or the name of a
tag. A file can therefore put any line into the log. It cannot put the escape character there: libavutil's logger
replaces control characters in everything it prints. With AV_LOG_FORCE_COLOR the logger itself writes an escape sequence
before the name of the component that a message comes from, and before each message of any level but `info`. A line that
begins with one is FFmpeg's own. https://github.com/FFmpeg/FFmpeg/blob/master/libavutil/log.c
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ENVIRONMENT = {"AV_LOG_FORCE_COLOR": "1"}
QUOTED = " "
"""What a line begins with that shows, or may show, text of the file."""

LONGEST_LINE, KEPT_HEAD, KEPT_TAIL = 8192, 2048, 4096  # bytes
LONGEST_STREAM_END = 512  # what FFmpeg says of a stream's coding has at most 256
ESCAPE, RESET = b"\x1b", b"\x1b[0m"
COLOR = re.compile(rb"\x1b\[[0-9;]{1,20}m")
HEADING = (b"Input #0, ", b"  Duration: ")
STREAM = b"  Stream #0:"
GROUPED_STREAM = re.compile(rb" {3,}(?=Stream #0:)")  # of a group, as IAMF has: indented, and at level `verbose`
KIND = re.compile(rb": (?:Audio|Video|Subtitle|Data|Attachment|Unknown): ")
OUTPUT = b"[out#0"
LOUDNESS = b"[Parsed_loudnorm_"
LOUDNESS_VALUE = b'\t"'


class LogLines:
    """Reader of FFmpeg's log, which yields FFmpeg's own lines unchanged and those on the file behind QUOTED.

    Of the latter it yields the three kinds that say what is in the file, until the first output is opened. A stream's
    line is joined again where its language breaks it.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._colored = False
        self._in_heading = True
        self._in_loudness = False
        self._stream = b""

    def read(self, block: bytes) -> Iterator[str]:
        """Yield the lines that end in a block of the log."""
        *ended, rest = block.split(b"\n")
        for line in ended:
            yield from self._lines_of(self._rest + line)
            self._rest = b""
        self._rest = _shortened(self._rest + rest)

    def end(self) -> Iterator[str]:
        """Yield what is left when the log has ended."""
        yield from self._lines_of(self._rest)
        yield from self._end_of_stream()

    def _lines_of(self, line: bytes) -> Iterator[str]:
        """Yield a line, or two where another thread's message begins within a line on the file."""
        line = _shortened(line)
        if self._colored and line.startswith(RESET):
            line, self._colored = line[len(RESET) :], False
        quoted = line if self._colored else line.partition(ESCAPE)[0]
        own = line[len(quoted) :]
        colors = COLOR.findall(line)
        self._colored = colors[-1] != RESET if colors else self._colored
        if quoted or not own:
            yield from self._on_file(COLOR.sub(b"", quoted))
        if own:
            yield from self._own(COLOR.sub(b"", own))

    def _own(self, line: bytes) -> Iterator[str]:
        self._in_loudness = line.startswith(LOUDNESS)
        if line.startswith(OUTPUT):
            self._in_heading = False
            yield from self._end_of_stream()
        if indent := GROUPED_STREAM.match(line):
            yield from self._on_file(b"  " + line[indent.end() :])
        elif line:
            yield _text(line)

    def _on_file(self, line: bytes) -> Iterator[str]:
        if self._in_loudness and line.startswith(LOUDNESS_VALUE):
            yield _text(line)
        elif not self._in_heading:
            return
        elif self._stream or line.startswith(STREAM):
            self._stream = _shortened(self._stream + b" " + line if self._stream else line)
            if KIND.search(line):
                yield from self._end_of_stream()
        elif line.startswith(HEADING):
            yield QUOTED + _text(line)

    def _end_of_stream(self) -> Iterator[str]:
        if self._stream:
            head, tail = self._stream[:LONGEST_STREAM_END], self._stream[LONGEST_STREAM_END:][-LONGEST_STREAM_END:]
            yield QUOTED + _text(head + tail)
            self._stream = b""


def _shortened(line: bytes) -> bytes:
    """Return a line, without its middle if it is long: what FFmpeg says is at either end."""
    return line if len(line) <= LONGEST_LINE else line[:KEPT_HEAD] + line[-KEPT_TAIL:]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
