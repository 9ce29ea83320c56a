"""iTunes' tags: the metadata in an MP4 that music players show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO

from .mp4_writing import box
from .output_format import Tags
from .pictures import picture_type

TEXTS = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "album_artist": "aART",
    "composer": "\xa9wrt",
    "genre": "\xa9gen",
    "date": "\xa9day",
    "comment": "\xa9cmt",
}
NUMBERS = {"track": "trkn", "disc": "disk"}
NUMBER = re.compile(r"([0-9]{1,5})(?:/([0-9]{1,5}))?")
MAX_NUMBER = 2**16 - 1
COVER = "covr"
ENCODER_TAG = "\xa9too"
ENCODER = "Soundlift, with FFmpeg"


def build_itunes_tags(tags: Tags) -> bytes:
    """Return the box with the tags (meta). Pictures other than JPEG and PNG are left out, as are unusual numbers."""
    from mutagen.mp4 import MP4Tags

    atoms = MP4Tags()
    for name, text in tags.texts.items():
        if name in TEXTS:
            atoms[TEXTS[name]] = [text]
    for name, pair in _numbers(tags.texts).items():
        atoms[name] = [pair]
    atoms[ENCODER_TAG] = [ENCODER]
    if cover := _cover(tags.cover):
        atoms[COVER] = [cover]
    return _render(atoms)


def _numbers(texts: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return the number of the track or disc, and how many there are, 0 if unknown."""
    found = ((atom, NUMBER.fullmatch(texts.get(name, ""))) for name, atom in NUMBERS.items())
    pairs = {atom: (int(match[1]), int(match[2] or 0)) for atom, match in found if match}
    return {atom: pair for atom, pair in pairs.items() if max(pair) <= MAX_NUMBER}


def _cover(picture: bytes) -> bytes | None:
    from mutagen.mp4 import AtomDataType, MP4Cover

    kinds = {"image/jpeg": AtomDataType.JPEG, "image/png": AtomDataType.PNG}
    kind = kinds.get(picture_type(picture) or "")
    return None if kind is None else MP4Cover(picture, kind)


def _render(atoms: object) -> bytes:
    """Return the box that mutagen writes into an empty index."""
    file = BytesIO(box(b"moov", box(b"udta")))
    atoms.save(file, padding=lambda _: 0)  # type: ignore[attr-defined]
    return file.getvalue()[len(box(b"moov", box(b"udta"))) :]
