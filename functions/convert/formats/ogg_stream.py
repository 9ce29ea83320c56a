"""Ogg files with one logical stream (RFC 3533): their header packets, and the positions of their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mutagen.ogg import OggPage, error

from ..failures import BROKEN, ConversionFailed
from .output_format import Head, NotCopied

PAGE_BYTES = 254 * 255  # of one packet: a page has at most 255 segments, and the last one ends the packet
UNFINISHED = -1  # the position of a page on which no packet ends


class NotOgg(Exception):
    """A file is not a complete Ogg file with one logical stream."""


@dataclass(frozen=True)
class Headers:
    """The header packets of a stream, and the number and size of the pages that they occupy."""

    packets: tuple[bytes, ...]
    serial: int
    pages: int
    size: int

    @classmethod
    def read(cls, file: BinaryIO, count: int) -> Headers:
        """Read the first `count` packets, after which a page ends; raises NotOgg."""
        pages: list[OggPage] = []
        while sum(_ended(page) for page in pages) < count:
            pages.append(_read_page(file))
        try:
            packets = OggPage.to_packets(pages, strict=True)
        except ValueError:
            raise NotOgg from None
        return cls(tuple(packets), pages[0].serial, len(pages), file.tell())

    @classmethod
    def of_finished(cls, path: Path, count: int) -> Headers:
        """Read the first `count` packets of a file that is complete; raises ConversionFailed."""
        try:
            with path.open("rb") as file:
                return cls.read(file, count)
        except NotOgg:
            raise ConversionFailed(BROKEN) from None


def replace_headers(path: Path, headers: Headers, packets: Sequence[bytes]) -> Head:
    """Return the beginning of a file with other header packets, and number its later pages accordingly."""
    pages = list(_build_pages(packets, headers.serial))
    if len(pages) != headers.pages:
        with path.open("r+b") as file:
            file.seek(headers.size)
            OggPage.renumber(file, headers.serial, len(pages))
    return Head(b"".join(page.write() for page in pages), headers.size)


def replace_first(file: BinaryIO, packet: bytes) -> None:
    """Replace the first packet of a file by another one of the same length; raises NotOgg."""
    file.seek(0)
    page = _read_page(file)
    page.packets[0] = packet
    file.seek(0)
    file.write(page.write())


def split_only_page(file: BinaryIO, headers: Headers) -> bool:
    """Divide the page after the headers into two if it is the last one, and return whether it was.

    In the first page of Vorbis, FFmpeg takes padding at the end for padding at the beginning. Raises NotOgg.
    """
    file.seek(headers.size)
    page = _read_page(file)
    count = len(page.packets) // 2
    if not page.last or not count:
        return False
    second = OggPage()
    second.packets, page.packets = page.packets[count:], page.packets[:count]
    second.serial, second.sequence, second.last, page.last = page.serial, page.sequence + 1, True, False
    file.seek(headers.size)
    file.write(page.write() + second.write())
    return True


def set_positions(
    file: BinaryIO, headers: Headers, samples: Callable[[bytes], int], *, end: Callable[[int, int], int]
) -> int:
    """Set the position of each page after the headers, and return the position at the end.

    `samples` returns how many samples a packet decodes to, and is called with each in turn. `end` returns how many of
    all samples are before the end, given their number and that of the last packet's. Raises NotOgg, or NotCopied if the
    last page would have no sound or another stream follows.
    """
    position, packet_samples = 0, 0
    file.seek(headers.size)
    while True:
        begin, offset = position, file.tell()
        page = _read_page(file)
        for number, packet in enumerate(page.packets):
            if number or not page.continued:
                packet_samples = samples(packet)
            if number < _ended(page):
                position += packet_samples
        if page.last:
            position = end(position, packet_samples)
        if position < begin:
            raise NotCopied("more than its last page is not played")
        page.position = position if _ended(page) else UNFINISHED
        file.seek(offset)
        file.write(page.write())
        if page.last:
            if file.read(1):
                raise NotCopied("it consists of several streams, one after another")
            return position


def read_end(file: BinaryIO, headers: Headers) -> int:
    """Return the position at the end of a file; raises NotOgg."""
    try:
        page = OggPage.find_last(file, headers.serial, finishing=True)
    except error:
        raise NotOgg from None
    if page is None:
        raise NotOgg
    return int(page.position)


def _build_pages(packets: Sequence[bytes], serial: int) -> Iterator[OggPage]:
    """Yield pages that contain one packet, or a part of one."""
    number = 0
    for packet in packets:
        for start in range(0, len(packet), PAGE_BYTES):
            page = OggPage()
            page.packets = [packet[start : start + PAGE_BYTES]]
            page.serial, page.sequence = serial, number
            page.first, page.continued = number == 0, start > 0
            page.complete = start + PAGE_BYTES >= len(packet)
            page.position = 0 if page.complete else UNFINISHED
            yield page
            number += 1


def _ended(page: OggPage) -> int:
    """Return the number of packets that end on a page."""
    return len(page.packets) - (not page.complete)


def _read_page(file: BinaryIO) -> OggPage:
    try:
        return OggPage(file)
    except (EOFError, error):
        raise NotOgg from None
