"""The copy of one audio track into an audio file, without encoding it again."""

from __future__ import annotations

from pathlib import Path

from ..plan.plan import Plan
from .encoded import Encoded
from .ffmpeg import input_args
from .progress import watch
from .runner import Runner


class NotCopied(Exception):
    """The copy of a track would not have the sound of the track; the message is the reason."""


def copy_track(plan: Plan, runner: Runner, folder: Path) -> Encoded:
    """Copy a track to a file in a folder; raises NotCopied, and what `Runner.run` raises."""
    output = folder / f"audio{plan.format.facts.suffix}"
    size = ["-fs", str(runner.settings.max_audio_bytes + 1)]
    track = ["-map", f"0:{plan.track.index}", "-c:a", "copy", *plan.format.copy_args(plan.track)]
    arguments = [*input_args(runner.url, plan.lead), *track, *size, "-y", str(output)]
    outcome = runner.run(arguments, watch(plan, runner))
    if outcome.status or not output.exists():
        raise NotCopied("FFmpeg cannot copy it")
    return Encoded(plan, output, outcome.status, outcome.report, outcome.seconds, 0, None)
