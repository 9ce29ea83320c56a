"""Is the corpus: the recipe of every file by its name, whole, begun otherwise, broken, or without any sound."""

from __future__ import annotations

from tests.corpus import beginnings, broken, containers, silent, sounds, timing, tracks
from tests.corpus.broken import Broken
from tests.corpus.recipes import Recipe

WHOLE: dict[str, Recipe] = containers.VIDEO_FILES | containers.SOUND_FILES | sounds.FILES | timing.FILES | tracks.FILES
UNUSUAL_BEGINNINGS: dict[str, Recipe] = beginnings.FILES
BROKEN: dict[str, Broken] = broken.CUT | broken.GARBLED
SILENT: dict[str, Recipe] = silent.NO_AUDIO | silent.NO_MEDIA | silent.OTHER_FORMATS
PROTECTED: dict[str, Recipe] = silent.PROTECTED
CLIPS: dict[str, Recipe] = (
    WHOLE | UNUSUAL_BEGINNINGS | {name: item.recipe for name, item in BROKEN.items()} | SILENT | PROTECTED
)
