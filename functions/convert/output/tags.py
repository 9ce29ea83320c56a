"""Makes the ID3 tag in front of an MP3: what players show of the source, and what its job asked for instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

from soundlift.common.options.audio_options import AudioOptions

from ..probe.labels import Chapter, Labels

TITLE = "TIT2"
# Nothing else is taken over: where and when a video was made, and on which phone, is its owner's business.
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
MADE_BY = "Soundlift, with FFmpeg and LAME"
UTF_8 = 3
LONGEST_TEXT = 1000
MOST_CHAPTERS = 255  # ID3v2 Chapter Frame Addendum, CTOC's entry count
NO_OFFSET = 0xFFFFFFFF
FRONT_COVER = 3
DAY = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif", b"BM": "image/bmp"}
ALPHA_3 = 3


def id3(labels: Labels, language: str | None, options: AudioOptions, length: float, cover: bytes = b"") -> bytes:
    """Return the tag (ID3v2.4, UTF-8) of an MP3 of `length` seconds, made of a track in `language`."""
    from mutagen.id3 import APIC, ID3, TLAN, TSSE

    tag = ID3()
    for frame in _texts({} if options.strip_tags else labels.tags, options.tags):
        tag.add(frame)
    if not options.strip_tags:
        for frame in _contents(_within(labels.chapters, options.start, length)):
            tag.add(frame)
        if code := _alpha_3(language):
            tag.add(TLAN(encoding=UTF_8, text=[code]))
    if picture := _picture(cover):
        tag.add(APIC(encoding=UTF_8, mime=picture, type=FRONT_COVER, desc="Cover", data=cover))
    tag.add(TSSE(encoding=UTF_8, text=[MADE_BY]))
    file = BytesIO()
    tag.save(file, v1=0, v2_version=4, padding=lambda _: 0)
    return file.getvalue()


def _texts(found: Mapping[str, str], asked: Mapping[str, str]) -> Iterable[object]:
    from mutagen.id3 import COMM, Frames

    for name, kind in FRAMES.items():
        text = asked.get(name, _day(found.get(name, "")) if name == "date" else found.get(name, "")).strip()
        if text:
            yield Frames[kind](encoding=UTF_8, text=[text[:LONGEST_TEXT]])
    if comment := asked.get("comment"):
        yield COMM(encoding=UTF_8, lang="XXX", desc="", text=[comment])


def _day(text: str) -> str:
    """Return the day, month or year that a date begins with: the time of day is nobody's business."""
    match = DAY.match(text)
    return match[0] if match else ""


def _within(chapters: Sequence[Chapter], start: float, length: float) -> list[Chapter]:
    """Return the chapters of a part of the source, in its own time."""
    moved = (Chapter(max(0.0, one.start - start), min(length, one.end - start), one.title) for one in chapters)
    return [one for one in moved if one.end > one.start][:MOST_CHAPTERS]


def _contents(chapters: Sequence[Chapter]) -> Iterable[object]:
    """Yield a CHAP for each chapter and a CTOC over them (ID3v2 Chapter Frame Addendum 1.0)."""
    from mutagen.id3 import CHAP, CTOC, CTOCFlags, Frames

    ids = [f"chp{number}" for number in range(len(chapters))]
    for element_id, chapter in zip(ids, chapters, strict=True):
        yield CHAP(
            element_id=element_id,
            start_time=round(chapter.start * 1000),
            end_time=round(chapter.end * 1000),
            start_offset=NO_OFFSET,
            end_offset=NO_OFFSET,
            sub_frames=[Frames[TITLE](encoding=UTF_8, text=[chapter.title[:LONGEST_TEXT]])] if chapter.title else [],
        )
    if ids:
        flags = CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED
        yield CTOC(element_id="toc", flags=flags, child_element_ids=ids, sub_frames=[])


def _alpha_3(language: str | None) -> str | None:
    """Return a language as TLAN has it, in three letters (ISO 639-2), if it is one."""
    if language is None or len(language) == ALPHA_3:
        return language
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(language).to_alpha3()
    except (LanguageTagError, LookupError):
        return None


def _picture(data: bytes) -> str | None:
    """Return the media type of a picture, of those that players know, by its first bytes."""
    return next((kind for magic, kind in PICTURES.items() if data.startswith(magic)), None)
