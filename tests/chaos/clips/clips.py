"""Clips to upload, each with a tone of its own; some cannot be converted, and some must be refused."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soundlift.common.process.ffmpeg import binary
from tests.chaos.clips.recipes import GOOD, READY, RECIPES, SHARES
from tests.chaos.clips.tones import tone_of

BATCH = 16  # clips that one FFmpeg makes


@dataclass(frozen=True)
class Clip:
    """A file, and what may become of an upload of it.

    `outcomes` are the permitted ends of its job: `ready` and failure codes. `refusals` are the statuses with which
    upload must refuse it; empty for a clip that must be accepted. `tone` in Hz and `seconds` are those of its sound.
    """

    number: int
    kind: str
    path: Path
    content_type: str
    tone: float
    seconds: float
    is_whole: bool
    outcomes: frozenset[str]
    refusals: frozenset[int]

    @property
    def is_good(self) -> bool:
        """Return whether the clip can be converted, so that no failure may blame it."""
        return READY in self.outcomes

    @property
    def suffix(self) -> str:
        return self.path.suffix


def make_clips(folder: Path, *, seed: int, count: int) -> list[Clip]:
    """Make clips of all kinds in a folder, in shares and an order that the seed determines.

    The first are one of each kind, as far as the count allows.
    """
    choice = random.Random(seed)
    kinds = choice.sample(sorted(RECIPES), len(RECIPES))
    groups = [sorted(group) for group, _ in SHARES]
    shares = [share for _, share in SHARES]
    kinds += [choice.choice(group) for group in choice.choices(groups, shares, k=max(0, count - len(kinds)))]
    return make_clips_of(folder, kinds[:count])


def make_good_clips(folder: Path, count: int) -> list[Clip]:
    """Make clips that can be converted, in several formats."""
    return make_clips_of(folder, [sorted(GOOD)[number % len(GOOD)] for number in range(count)])


def make_clips_of(folder: Path, kinds: Sequence[str], *, first: int = 0) -> list[Clip]:
    """Make a clip of each of these kinds in a folder, numbered from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = [_describe(folder, number, kind) for number, kind in enumerate(kinds, first)]
    encoded = [clip for clip in clips if RECIPES[clip.kind].content is None]
    for start in range(0, len(encoded), BATCH):
        _encode(encoded[start : start + BATCH])
    for clip in clips:
        recipe = RECIPES[clip.kind]
        if recipe.content is not None:
            clip.path.write_bytes(recipe.content)
        if recipe.change is not None:
            recipe.change(clip.path)
    return clips


def _describe(folder: Path, number: int, kind: str) -> Clip:
    recipe = RECIPES[kind]
    return Clip(
        number=number,
        kind=kind,
        path=folder / f"clip-{number:05d}{recipe.suffix}",
        content_type=recipe.content_type,
        tone=tone_of(number),
        seconds=recipe.seconds,
        is_whole=recipe.whole,
        outcomes=frozenset(recipe.outcomes),
        refusals=frozenset(recipe.refusals),
    )


def _encode(clips: Sequence[Clip]) -> None:
    """Make several clips with one FFmpeg, whose start takes longer than one of them."""
    inputs: list[str] = []
    outputs: list[str] = []
    for index, clip in enumerate(clips):
        recipe = RECIPES[clip.kind]
        length = f"duration={recipe.seconds}"
        inputs += ["-f", "lavfi", "-i", f"sine=frequency={clip.tone}:sample_rate=44100:{length}"]
        inputs += ["-f", "lavfi", "-i", f"testsrc=size={recipe.size}:rate=10:{length}"]
        outputs += ["-map", f"{2 * index}:a", "-map", f"{2 * index + 1}:v", *recipe.picture, *recipe.sound]
        outputs += [*recipe.options, str(clip.path)]
    subprocess.run([binary(), "-nostdin", "-v", "error", "-y", *inputs, *outputs], check=True, timeout=120)
