"""Record the terminal in the README, from a real run of `soundlift convert`: `python docs/pictures/terminal.py`."""

from __future__ import annotations

import os
import pty
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

from soundlift.cli.deployment import create_services
from soundlift.cli.embedded_stack import environment_without_settings, running_stack

FILE = Path(__file__).parent / "terminal.svg"
COLUMNS, ROWS = 80, 9
VIDEO = "holiday.mp4"
VIDEO_SECONDS = 1800
EMAIL = "you@example.org"
PROMPT = "$ "
KEY_SECONDS = 0.04
PAUSE_SECONDS = 0.7  # before the command is typed
LAST_SECONDS = 5.0  # how long the end is shown before the recording starts again
FRAME_SECONDS = 0.1
CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.4, 20, 18
PAPER, INK = "#1d1b19", "#f2efeb"
COLOURS = {"green": "#5cc8b2", "cyan": "#7cc7e8", "magenta": "#d3a6e8", "red": "#ff9b8f", "brown": "#e8c77c"}
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Frame:
    """What the terminal showed, from a time in seconds on."""

    begins: float
    lines: tuple[str, ...]  # as SVG


def main() -> None:
    """Run the command in a terminal, and write what it showed as an animated picture."""
    FILE.write_text(picture(record()))


def record() -> list[Frame]:
    """Return what a terminal shows while a video is converted on an embedded stack."""
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_video(folder / VIDEO)
        (folder / "data").mkdir(mode=0o700)
        with running_stack(folder / "data") as url:
            services = create_services(folder / "data", environment_without_settings())
            services.users.add(EMAIL, services.passwords.hash(password))
            environment = {
                **environment_without_settings(),
                "SOUNDLIFT_URL": url,
                "SOUNDLIFT_EMAIL": EMAIL,
                "SOUNDLIFT_PASSWORD": password,
                "TERM": "xterm-256color",
                "COLUMNS": str(COLUMNS),
            }
            return frames_of(["convert", VIDEO], folder, environment)


def make_video(file: Path) -> None:
    """Write a long video with a still picture and noise."""
    import imageio_ffmpeg

    source = ["-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=1:duration={VIDEO_SECONDS}"]
    sound = ["-f", "lavfi", "-i", f"anoisesrc=color=pink:sample_rate=44100:duration={VIDEO_SECONDS}"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "128k"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *source, *sound, *codecs, str(file)]
    subprocess.run(command, check=True)


def frames_of(arguments: list[str], folder: Path, environment: dict[str, str]) -> list[Frame]:
    """Type a command, run it, and return its frames."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    frames = list(typed(screen, stream, " ".join(["soundlift", *arguments])))
    start = frames[-1].begins + PAUSE_SECONDS
    master, terminal = pty.openpty()
    os.set_blocking(master, False)
    command = [sys.executable, "-P", "-m", "soundlift.cli", *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    began = time.monotonic()
    for data in read(master):
        stream.feed(data)
        frames.append(Frame(start + time.monotonic() - began, lines_of(screen)))
    os.close(master)
    if process.wait() != 0:
        sys.exit("The recorded command failed:\n" + "\n".join(screen.display))
    stream.feed(PROMPT.encode())
    return [*frames, Frame(frames[-1].begins + FRAME_SECONDS, lines_of(screen))]


def typed(screen: pyte.Screen, stream: pyte.ByteStream, command: str) -> Iterator[Frame]:
    """Yield a frame for each key of a command line, and one for the Return key."""
    stream.feed(PROMPT.encode())
    yield Frame(0, lines_of(screen))
    for number, key in enumerate(command):
        stream.feed(key.encode())
        yield Frame(PAUSE_SECONDS + number * KEY_SECONDS, lines_of(screen))
    stream.feed(b"\r\n")


def read(descriptor: int) -> Iterator[bytes]:
    """Yield what a terminal receives, in pieces of FRAME_SECONDS, until the program closes it."""
    while True:
        select.select([descriptor], [], [])
        time.sleep(FRAME_SECONDS)
        try:
            if not (data := os.read(descriptor, 65536)):
                return
        except OSError:  # EIO on Linux: the program has ended
            return
        yield data


def lines_of(screen: pyte.Screen) -> tuple[str, ...]:
    """Return the lines of a screen as SVG, without the empty cells at their ends."""
    return tuple("".join(spans(screen, row)) for row in range(ROWS))


def spans(screen: pyte.Screen, row: int) -> Iterator[str]:
    """Yield the text of a line, one element per colour."""
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    length = len("".join(cell.data for cell in cells).rstrip())
    begin = 0
    for end in range(1, length + 1):
        if end == length or cells[end].fg != cells[begin].fg:
            text = escape("".join(cell.data for cell in cells[begin:end]))
            yield f'<tspan x="{MARGIN + begin * CELL_WIDTH:.1f}" fill="{colour(cells[begin].fg)}">{text}</tspan>'
            begin = end


def colour(name: str) -> str:
    """Return the colour of a text: a name of pyte's, six hexadecimal digits, or the default."""
    if name in COLOURS:
        return COLOURS[name]
    return f"#{name}" if len(name) == 6 and set(name) <= set("0123456789abcdef") else INK


def picture(frames: list[Frame]) -> str:
    """Return the frames as an animated SVG; a program that does not animate it shows the last frame."""
    shown = [frame for index, frame in enumerate(frames) if index == 0 or frame.lines != frames[index - 1].lines]
    seconds = shown[-1].begins + LAST_SECONDS
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * LINE_HEIGHT + 2 * MARGIN
    ends = [*(frame.begins for frame in shown[1:]), seconds]
    groups = [group(frame, end, seconds) for frame, end in zip(shown, ends, strict=True)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'font-family="{FONT}" font-size="14" xml:space="preserve">',
            f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>',
            *groups,
            "</svg>",
            "",
        ]
    )


def group(frame: Frame, end: float, seconds: float) -> str:
    """Return one frame, visible from its time until `end`, again and again."""
    is_last = end == seconds
    times = f"0;{frame.begins / seconds:.4f};{end / seconds:.4f}"
    animation = (
        f'<animate attributeName="opacity" dur="{seconds:.2f}s" repeatCount="indefinite" calcMode="discrete" '
        f'keyTimes="{times}" values="0;1;0"/>'
    )
    lines = "".join(
        f'<text y="{MARGIN + (row + 0.75) * LINE_HEIGHT:g}">{line}</text>'
        for row, line in enumerate(frame.lines)
        if line
    )
    return f'<g opacity="{int(is_last)}">{animation}{lines}</g>'


if __name__ == "__main__":
    main()
