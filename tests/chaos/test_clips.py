"""Each kind of clip ends as its recipe says, in a run without any fault."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

import pytest

from devservers.local_stack import Start
from soundlift.client import ApiError
from tests.chaos.clips.clips import make_clips, make_good_clips
from tests.chaos.clips.recipes import RECIPES
from tests.chaos.clips.tones import TOLERANCE, measure
from tests.chaos.safeguards.stack import GuardedStack


def test_each_clip_has_its_own_tone(tmp_path: Path) -> None:
    for clip in make_good_clips(tmp_path, 10):
        sound = measure(clip.path)
        assert sound is not None
        assert sound.tone == pytest.approx(clip.tone, abs=TOLERANCE)


def test_a_seed_determines_the_clips(tmp_path: Path) -> None:
    few = 4
    first, again, other = (
        make_clips(tmp_path / name, seed=seed, count=few) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    )
    assert [clip.kind for clip in first] == [clip.kind for clip in again] != [clip.kind for clip in other]


@pytest.mark.servers
@pytest.mark.slow
def test_each_kind_of_clip_ends_as_it_must(start: Start, tmp_path: Path, password_hash: str) -> None:
    stack = GuardedStack(start, tmp_path / "stack", password_hash, off="", disk_error=False)
    with closing(stack):
        for kind in RECIPES:
            with suppress(ApiError):
                stack.upload(kind)
        assert stack.violations() == []
