"""Draw the picture of the README, light and dark: `python docs/pictures/flow.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 1000, 372
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """The colours of one picture."""

    text: str
    quiet: str
    line: str
    function: str
    queue: str
    store: str


THEMES = {
    "light": Theme("#1f2328", "#59636e", "#6e7781", "#ddf4ff", "#fff8c5", "#eaeef2"),
    "dark": Theme("#e6edf3", "#9198a1", "#8b949e", "#0c2d6b", "#4b2900", "#262c36"),
}


@dataclass(frozen=True)
class Box:
    """A labelled rectangle; `x` and `y` are its centre."""

    x: float
    y: float
    width: float
    label: str
    kind: str
    note: str = ""
    height: float = 46

    def svg(self, theme: Theme) -> str:
        """Return its rectangle and text."""
        radius = {"function": 8, "queue": self.height / 2, "store": 4, "outside": 8}[self.kind]
        fill = {"function": theme.function, "queue": theme.queue, "store": theme.store, "outside": "none"}[self.kind]
        dash = ' stroke-dasharray="4 3"' if self.kind == "outside" else ""
        left, top = self.x - self.width / 2, self.y - self.height / 2
        rectangle = (
            f'<rect x="{left:g}" y="{top:g}" width="{self.width:g}" height="{self.height:g}" rx="{radius:g}" '
            f'fill="{fill}" stroke="{theme.line}"{dash}/>'
        )
        baseline = self.y + (5 if not self.note else -3)
        bold = f'fill="{theme.text}" font-size="15" font-weight="600" text-anchor="middle"'
        name = _text(self.x, baseline, self.label, bold)
        return rectangle + name + (_text(self.x, self.y + 14, self.note, _small(theme)) if self.note else "")


@dataclass(frozen=True)
class Arrow:
    """A straight line from one point to another, with a label above its middle."""

    start: tuple[float, float]
    end: tuple[float, float]
    label: str = ""
    dx: float = 0
    dy: float = -6
    anchor: str = "middle"

    def svg(self, theme: Theme) -> str:
        """Return its line and label."""
        (x1, y1), (x2, y2) = self.start, self.end
        line = (
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{theme.line}" '
            'stroke-width="1.4" marker-end="url(#head)"/>'
        )
        if not self.label:
            return line
        place = ((x1 + x2) / 2 + self.dx, (y1 + y2) / 2 + self.dy)
        return line + _text(*place, self.label, _small(theme, self.anchor))


BOXES = (
    Box(62, 192, 92, "client", "outside", "page, command", height=316),
    Box(210, 58, 96, "upload", "function"),
    Box(352, 58, 92, "video", "queue", "RabbitMQ"),
    Box(512, 58, 100, "convert", "function", "FFmpeg"),
    Box(668, 58, 92, "mp3", "queue", "RabbitMQ"),
    Box(826, 58, 96, "notify", "function"),
    Box(944, 58, 70, "mail", "outside"),
    Box(571, 168, 818, "job rows: the source of truth", "store", "MySQL, MariaDB or SQLite"),
    Box(571, 238, 818, "media store: videos and audio files", "store", "MongoDB GridFS, S3 or a folder"),
    Box(210, 322, 96, "login", "function"),
    Box(326, 322, 96, "validate", "function"),
    Box(442, 322, 96, "jobs", "function"),
    Box(558, 322, 104, "download", "function"),
    Box(826, 322, 112, "cleanup", "function", "every minute"),
)
ARROWS = (
    Arrow((108, 58), (162, 58), "video"),
    Arrow((258, 58), (306, 58), "event"),
    Arrow((398, 58), (462, 58), "connector"),
    Arrow((562, 58), (622, 58), "reply"),
    Arrow((714, 58), (778, 58), "connector"),
    Arrow((874, 58), (909, 58)),
    Arrow((195, 81), (195, 145), "row first", dx=-8, dy=2, anchor="end"),
    Arrow((225, 81), (225, 145)),
    Arrow((497, 81), (497, 145), "claim, heartbeat, outcome", dx=-8, dy=2, anchor="end"),
    Arrow((527, 145), (527, 81)),
    Arrow((826, 145), (826, 81), "claim", dx=8, dy=2, anchor="start"),
    Arrow((442, 299), (442, 261)),
    Arrow((558, 299), (558, 261)),
    Arrow((826, 299), (826, 261), "expire, re-send", dx=-8, dy=4, anchor="end"),
    Arrow((108, 322), (162, 322), "token"),
)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'


def _small(theme: Theme, anchor: str = "middle") -> str:
    return f'fill="{theme.quiet}" font-size="11" text-anchor="{anchor}"'


def picture(theme: Theme) -> str:
    """Return the SVG in the colours of a theme."""
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{theme.line}"/></marker>'
    )
    title = "A video's path: client, upload, convert, notify; the job row is the source of truth"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="{FONT}">',
        f"<title>{escape(title)}</title>",
        f"<defs>{head}</defs>",
        *(box.svg(theme) for box in BOXES),
        *(arrow.svg(theme) for arrow in ARROWS),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    for name, theme in THEMES.items():
        (FOLDER / f"flow-{name}.svg").write_text(picture(theme), encoding="utf-8")
