"""The corpus: recipes by file name, for complete files, unusual beginnings, broken files, and files without sound."""

from __future__ import annotations

from tests.corpus import beginnings, broken, containers, silent, sounds, timing, tracks
from tests.corpus.broken import Broken
from tests.corpus.recipes import Recipe

COMPLETE: dict[str, Recipe] = (
    containers.VIDEO_FILES | containers.SOUND_FILES | sounds.FILES | timing.FILES | tracks.FILES
)
UNUSUAL_BEGINNINGS: dict[str, Recipe] = beginnings.FILES
BROKEN: dict[str, Broken] = broken.CUT | broken.GARBLED
SILENT: dict[str, Recipe] = silent.NO_AUDIO | silent.NO_MEDIA | silent.OTHER_FORMATS
PROTECTED: dict[str, Recipe] = silent.PROTECTED
CLIPS: dict[str, Recipe] = (
    COMPLETE | UNUSUAL_BEGINNINGS | {name: item.recipe for name, item in BROKEN.items()} | SILENT | PROTECTED
)
