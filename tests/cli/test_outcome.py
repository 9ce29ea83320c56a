"""What a result says cannot control the terminal, whatever a server sends."""

from __future__ import annotations

from pathlib import Path

from soundlift.cli.inputs import Input
from soundlift.cli.outcome import Outcome
from soundlift.cli.outputs import Item
from soundlift.client import Job

HOSTILE = "x\x1b[2J\n"


def test_a_format_and_a_codec_are_escaped() -> None:
    times = {"created_at": "2026-11-28T00:00:00+00:00"}
    job = Job.of({"job_id": "1", "state": "ready", "error": None, "format": HOSTILE, "codec": HOSTILE, **times})
    outcome = Outcome(item=Item(Input(Path("a.mp4"), Path("a.mp4")), Path("a.mp3")), job=job)
    for text in (outcome.line, outcome.row):
        assert text.isprintable()
        assert r"\u{1b}" in text.lower()
