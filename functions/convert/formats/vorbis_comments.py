"""Vorbis comments, the tags of Ogg and FLAC files, with their cover and chapters.

The names are those that taggers have in common (https://xiph.org/vorbis/doc/v-comment.html has the first of them);
chapters follow the Chapter Extension (https://wiki.xiph.org/Chapter_Extension), which FFmpeg reads.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..probe.metadata import Chapter
from .output_format import Tags
from .pictures import picture_type

if TYPE_CHECKING:
    from mutagen.flac import Picture

NAMES = {
    "title": "TITLE",
    "artist": "ARTIST",
    "album": "ALBUM",
    "album_artist": "ALBUMARTIST",
    "composer": "COMPOSER",
    "genre": "GENRE",
    "date": "DATE",
    "comment": "COMMENT",
}
NUMBERS = {"track": ("TRACKNUMBER", "TRACKTOTAL"), "disc": ("DISCNUMBER", "DISCTOTAL")}
ENCODER = "Soundlift, with FFmpeg"
PICTURE = "METADATA_BLOCK_PICTURE"
# The extension has three digits for the number of a chapter, and FFmpeg reads two for its hour.
MAX_CHAPTERS, MAX_HOURS = 1000, 100
FRONT_COVER = 3
MAX_BLOCK_BYTES = 2**24 - 1  # of a metadata block in FLAC (RFC 9639, section 8.1)
BLOCK_HEADER_BYTES = 32 + len("image/jpeg")


def comments(tags: Tags) -> Iterator[tuple[str, str]]:
    """Yield the names and values of all tags except the cover."""
    for name, text in tags.texts.items():
        if name in NUMBERS:
            yield from _numbers(*NUMBERS[name], text)
        else:
            yield NAMES[name], text
    if tags.language:
        yield "LANGUAGE", tags.language
    yield "ENCODER", ENCODER
    yield from _chapters(tags.chapters)


def build_picture(cover: bytes) -> Picture | None:
    """Return the cover as a picture block, or None if there is none that players show."""
    from mutagen.flac import Picture

    media_type = picture_type(cover)
    if media_type is None or len(cover) + BLOCK_HEADER_BYTES > MAX_BLOCK_BYTES:
        return None
    picture = Picture()
    picture.type, picture.mime, picture.data = FRONT_COVER, media_type, cover
    return picture


def build_comment_header(tags: Tags, vendor: str) -> bytes:
    """Return the comments of an Ogg stream, with the cover as the last; `vendor` is the name of the encoder."""
    from mutagen.flac import VCFLACDict

    header = VCFLACDict()
    header.vendor = vendor
    header.extend(comments(tags))
    if picture := build_picture(tags.cover):
        header.append((PICTURE, base64.b64encode(picture.write()).decode()))
    return bytes(header.write())


def read_vendor(header: bytes) -> str:
    """Return the name of the encoder in the comments of an Ogg stream."""
    from mutagen.flac import VCFLACDict

    return str(VCFLACDict(header).vendor)


def _numbers(number_name: str, total_name: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the number, and the total if there is one, of a text such as 3/12."""
    number, _, total = text.partition("/")
    for name, value in ((number_name, number), (total_name, total)):
        if value:
            yield name, value


def _chapters(chapters: Sequence[Chapter]) -> Iterator[tuple[str, str]]:
    """Yield the start and the title of each chapter; a chapter ends where the next one begins."""
    for number, chapter in enumerate(chapters[:MAX_CHAPTERS]):
        seconds, milliseconds = divmod(round(chapter.start * 1000), 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        if hour < MAX_HOURS:
            yield f"CHAPTER{number:03}", f"{hour:02}:{minute:02}:{second:02}.{milliseconds:03}"
            yield f"CHAPTER{number:03}NAME", chapter.title
