"""ID3v2.4 tags, in UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

from ..probe.metadata import Chapter
from .languages import alpha_3
from .output_format import Tags
from .pictures import picture_type

TITLE = "TIT2"
FRAMES = {
    "title": TITLE,
    "artist": "TPE1",
    "album": "TALB",
    "album_artist": "TPE2",
    "composer": "TCOM",
    "genre": "TCON",
    "date": "TDRC",
    "track": "TRCK",
    "disc": "TPOS",
}
SOFTWARE = "Soundlift, with FFmpeg"
UTF_8 = 3
MAX_CHAPTERS = 255  # ID3v2 Chapter Frame Addendum, CTOC's entry count
NO_OFFSET = 0xFFFFFFFF
MAX_MILLISECONDS = 2**32 - 1  # about 50 days, which a sound at a few Hz may exceed
FRONT_COVER = 3


def build_id3_tag(tags: Tags, encoder: str = SOFTWARE) -> bytes:
    """Return a tag, without padding, that names the `encoder` of the file."""
    from mutagen.id3 import APIC, ID3, TLAN, TSSE

    tag = ID3()
    for frame in (*_texts(tags.texts), *_table_of_contents(tags.chapters[:MAX_CHAPTERS])):
        tag.add(frame)
    if code := alpha_3(tags.language):
        tag.add(TLAN(encoding=UTF_8, text=[code]))
    if media_type := picture_type(tags.cover):
        tag.add(APIC(encoding=UTF_8, mime=media_type, type=FRONT_COVER, desc="Cover", data=tags.cover))
    tag.add(TSSE(encoding=UTF_8, text=[encoder]))
    file = BytesIO()
    tag.save(file, v1=0, v2_version=4, padding=lambda _: 0)
    return file.getvalue()


def _texts(texts: Mapping[str, str]) -> Iterable[object]:
    from mutagen.id3 import COMM, Frames

    for name, text in texts.items():
        if name == "comment":
            yield COMM(encoding=UTF_8, lang="XXX", desc="", text=[text])
        else:
            yield Frames[FRAMES[name]](encoding=UTF_8, text=[text])


def _table_of_contents(chapters: Sequence[Chapter]) -> Iterable[object]:
    """Yield a CHAP for each chapter and a CTOC over them (ID3v2 Chapter Frame Addendum 1.0)."""
    from mutagen.id3 import CHAP, CTOC, CTOCFlags, Frames

    ids = [f"chp{number}" for number in range(len(chapters))]
    for element_id, chapter in zip(ids, chapters, strict=True):
        yield CHAP(
            element_id=element_id,
            start_time=_milliseconds(chapter.start),
            end_time=_milliseconds(chapter.end),
            start_offset=NO_OFFSET,
            end_offset=NO_OFFSET,
            sub_frames=[Frames[TITLE](encoding=UTF_8, text=[chapter.title])] if chapter.title else [],
        )
    if ids:
        flags = CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED
        yield CTOC(element_id="toc", flags=flags, child_element_ids=ids, sub_frames=[])


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1000), MAX_MILLISECONDS)
