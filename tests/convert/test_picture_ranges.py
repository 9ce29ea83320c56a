"""A large video is read without its pictures, and its sound is unchanged."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from functions.convert.encode import picture_ranges as module
from functions.convert.encode.picture_ranges import (
    EXAMINED_BYTES,
    MIN_RANGE_BYTES,
    FileWithoutPictures,
    Range,
    picture_ranges,
)
from functions.convert.handler import convert
from functions.convert.probe.mp4_boxes import MAX_INDEX_BYTES, MAX_TOP_LEVEL_BOXES
from functions.convert.probe.mp4_chunks import MAX_BOXES, MAX_CHUNKS
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.convert.conftest import SaveMp3
from tests.convert.pcm import decode_file
from tests.factories.clips import ffmpeg
from tests.factories.jobs import job_now, queued_job
from tests.factories.stores import Watched, WatchedStore

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

MEGABYTE = 2**20
FIRST = 1000  # offset of the first sample in generated files
SIZE = 100 * MEGABYTE


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return (8 + len(content)).to_bytes(4) + kind + content


def _table(kind: bytes, *numbers: int, size: int = 4) -> bytes:
    return _box(
        kind, bytes(4), *(number.to_bytes(4) for number in numbers[:1]), *(n.to_bytes(size) for n in numbers[1:])
    )


SELF_CONTAINED = _box(b"url ", (1).to_bytes(4))
ELSEWHERE = _box(b"alis", bytes(4), b"other.mov")


def _movie_track(handler: bytes, entries: Sequence[bytes], references: Sequence[bytes], *tables: bytes) -> bytes:
    data = _box(b"dinf", _box(b"dref", bytes(4), len(references).to_bytes(4), *references))
    stsd = _box(b"stsd", bytes(4), len(entries).to_bytes(4), *entries)
    media = _box(b"minf", data, _box(b"stbl", stsd, *tables))
    return _box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8), handler, bytes(12)), media))


def _entry(kind: bytes, reference: int = 1) -> bytes:
    return _box(kind, bytes(6), reference.to_bytes(2))


def _track(
    handler: bytes,
    chunks: list[Range],
    *,
    entry: bytes = b"avc1",
    used: Sequence[int] = (1,),
    references: Sequence[bytes] = (SELF_CONTAINED,),
    runs: tuple[int, ...] = (1, 1, 1),
    sizes: Sequence[int] = (),
    size: int = 0,
    large: bool = False,
) -> bytes:
    """Return a track with one sample in each chunk, unless `runs` of chunks and `sizes` of samples are given."""
    starts, lengths = [start for start, _ in chunks], sizes or [end - start for start, end in chunks]
    offsets = _table(b"co64", len(starts), *starts, size=8) if large else _table(b"stco", len(starts), *starts)
    tables = (
        _table(b"stsc", len(runs) // 3, *runs),
        _table(b"stsz", size, len(lengths), *(lengths if not size else ())),
        offsets,
    )
    return _movie_track(handler, [_entry(entry, number) for number in used], references, *tables)


def _ranges(*tracks: bytes, size: int = SIZE) -> list[Range]:
    content = _box(b"ftyp", b"isom") + _box(b"moov", *tracks)
    return picture_ranges(io.BytesIO(content), size)


def _at(*megabytes: float) -> list[Range]:
    """Return ranges between pairs of positions, counted from the end of the samples that FFmpeg may examine."""
    positions = [FIRST + EXAMINED_BYTES + int(position * MEGABYTE) for position in megabytes]
    return list(zip(positions[::2], positions[1::2], strict=True))


BEGINNING = (FIRST, FIRST + 100)
SOUND = _track(b"soun", [BEGINNING, *_at(3, 3.001, 6, 6.001)], entry=b"mp4a")
PICTURES = [*_at(0, 1.5, 1.5, 3, 3.001, 6, 6.001, 6.5)]


@pytest.mark.parametrize("large", [False, True])
def test_runs_of_picture_chunks_of_a_megabyte_or_more_are_found(large: bool) -> None:
    assert _ranges(_track(b"vide", PICTURES, large=large), SOUND) == _at(0, 3, 3.001, 6)
    assert _ranges(SOUND, _track(b"vide", PICTURES[::-1], large=large)) == _at(0, 3, 3.001, 6)


def test_a_range_has_at_least_the_minimum_length() -> None:
    ((start, _),) = _at(1, 2)
    exact, short = (start, start + MIN_RANGE_BYTES), (start, start + MIN_RANGE_BYTES - 1)
    assert _ranges(_track(b"vide", [exact]), _track(b"soun", [BEGINNING])) == [exact]
    assert _ranges(_track(b"vide", [short]), _track(b"soun", [BEGINNING])) == []


def test_the_first_samples_are_left_for_ffmpeg_to_examine() -> None:
    pictures = _track(b"vide", [(FIRST, FIRST + EXAMINED_BYTES + 2 * MEGABYTE)])
    assert _ranges(pictures) == _at(0, 2)


def test_no_range_extends_beyond_the_end_of_a_truncated_file() -> None:
    ((start, end),) = _at(0, 3)
    assert _ranges(_track(b"vide", [BEGINNING, (start, end)]), size=end - MEGABYTE) == [(start, end - MEGABYTE)]
    assert _ranges(_track(b"vide", [BEGINNING, (start, end)]), size=start) == []


def test_only_the_largest_video_track_is_skipped() -> None:
    other = _track(b"vide", _at(10, 12))
    assert _ranges(other, _track(b"vide", PICTURES), SOUND) == _at(0, 3, 3.001, 6)


@pytest.mark.parametrize("entry", [b"jpeg", b"png "])
def test_images_which_may_be_the_cover_are_not_skipped(entry: bytes) -> None:
    assert _ranges(_track(b"vide", PICTURES, entry=entry), SOUND) == []


def test_a_range_in_which_another_track_has_samples_is_read() -> None:
    inside = _track(b"soun", _at(1, 1.001), entry=b"mp4a")
    assert _ranges(_track(b"vide", PICTURES), SOUND, inside) == _at(3.001, 6)


def test_a_range_which_another_track_overlaps_is_read() -> None:
    sound = _track(b"soun", [BEGINNING, *_at(-1, 0.5, 3, 3.001)], entry=b"mp4a")
    assert _ranges(_track(b"vide", PICTURES), sound) == _at(3.001, 6)
    inner = _track(b"soun", [BEGINNING, *_at(-1, 3.5, 3, 3.001)], entry=b"mp4a")
    assert _ranges(_track(b"vide", PICTURES), inner) == []


def test_overlapping_picture_chunks_form_one_range() -> None:
    assert _ranges(_track(b"vide", [BEGINNING, *_at(0, 5, 1, 2, 4, 6)])) == _at(0, 6)


def test_several_samples_in_a_chunk_are_counted() -> None:
    (first, second) = _at(0, 3, 6, 9)
    sizes = (100, *[MEGABYTE] * 5)
    track = _track(b"vide", [BEGINNING, first, second], runs=(1, 1, 1, 2, 2, 1), sizes=sizes[:5])
    assert _ranges(track) == _at(0, 2, 6, 8)
    assert _ranges(_track(b"vide", [BEGINNING, first, second], runs=(1, 1, 1, 2, 2, 1), sizes=sizes[:4])) == []


def test_samples_of_equal_size_are_counted() -> None:
    track = _track(b"vide", [BEGINNING, *_at(0, 3, 6, 9)], size=2 * MEGABYTE)
    assert _ranges(track) == _at(0, 2, 6, 8)


@pytest.mark.parametrize(
    "runs", [(), (2, 1, 1), (0, 1, 1), (1, 2, 1), (1, 1, 1, 1, 1, 1), (1, 1, 1, 99, 1, 1), (1, 2**32 - 1, 1)]
)
def test_an_index_that_contradicts_itself_has_no_ranges(runs: tuple[int, ...]) -> None:
    assert _ranges(_track(b"vide", PICTURES, runs=runs), SOUND) == []


@pytest.mark.parametrize(
    ("references", "used", "found"),
    [
        ([SELF_CONTAINED], [1], True),
        ([SELF_CONTAINED, SELF_CONTAINED], [1, 2], True),
        ([ELSEWHERE], [1], False),
        ([SELF_CONTAINED, ELSEWHERE], [1], False),
        ([ELSEWHERE, SELF_CONTAINED], [2], False),
        ([SELF_CONTAINED], [0], False),
        ([SELF_CONTAINED], [1, 2], False),
        ([SELF_CONTAINED], [], False),
        ([], [1], False),
    ],
)
def test_a_movie_with_samples_in_another_file_has_no_ranges(
    references: list[bytes], used: list[int], found: bool
) -> None:
    expected = _at(0, 3, 3.001, 6) if found else []
    assert _ranges(_track(b"vide", PICTURES, references=references, used=used), SOUND) == expected
    sound = _track(b"soun", [BEGINNING, *_at(3, 3.001)], references=references, used=used)
    assert _ranges(_track(b"vide", PICTURES), sound) == (_at(0, 3, 3.001, 6) if found else [])


def test_a_table_of_data_references_shorter_than_its_count_has_no_ranges() -> None:
    pictures = _track(b"vide", PICTURES)
    place = pictures.index(b"dref") + 8
    assert _ranges(pictures[:place] + (2).to_bytes(4) + pictures[place + 4 :], SOUND) == []


def test_sound_whose_sample_size_is_not_in_bytes_leaves_no_ranges() -> None:
    pictures, chunks = _track(b"vide", PICTURES), [BEGINNING, *_at(3, 3.001)]
    assert _ranges(pictures, _track(b"soun", chunks, size=2)) == _at(0, 3, 3.001, 6)
    assert _ranges(pictures, _track(b"soun", chunks, size=1)) == []


@pytest.mark.parametrize("content", [b"", b"RIFF", _box(b"moov"), _box(b"moov", _box(b"trak")), bytes(100)])
def test_a_file_without_an_index_of_samples_has_no_ranges(content: bytes) -> None:
    assert picture_ranges(io.BytesIO(content), len(content)) == []
    assert _ranges(_track(b"vide", [])) == []
    assert _ranges(SOUND) == []


def test_an_index_over_the_size_limit_is_not_read() -> None:
    track = _track(b"vide", [BEGINNING, *PICTURES])
    content = _box(b"moov", track, _box(b"free", bytes(MAX_INDEX_BYTES - len(track) - 8)))
    assert picture_ranges(io.BytesIO(content), SIZE) == _at(0, 3, 3.001, 6)
    larger = _box(b"moov", track, _box(b"free", bytes(MAX_INDEX_BYTES - len(track) - 7)))
    assert picture_ranges(io.BytesIO(larger), SIZE) == []


def _with_chunks(chunks: int) -> bytes:
    """Return a video track with chunks of which two form a range."""
    many = [(FIRST + place, FIRST + place + 1) for place in range(0, 2 * chunks, 2)]
    return _track(b"vide", [*many[:-2], *_at(0, 1.5, 1.5, 3)])


@pytest.mark.parametrize("sound_chunks", [1, 1000])
def test_an_index_with_too_many_chunks_in_all_tracks_has_no_ranges(sound_chunks: int) -> None:
    sound = _track(b"soun", [BEGINNING] * sound_chunks, entry=b"mp4a")
    assert _ranges(sound, _with_chunks(MAX_CHUNKS - sound_chunks)) == _at(0, 3)
    assert _ranges(sound, _with_chunks(MAX_CHUNKS - sound_chunks + 1)) == []


def test_an_index_with_too_many_boxes_has_no_ranges() -> None:
    pictures = _track(b"vide", [BEGINNING, *PICTURES])
    assert _ranges(pictures, _box(b"free") * (MAX_BOXES // 2), SOUND) == _at(0, 3, 3.001, 6)
    assert _ranges(pictures, _box(b"free") * MAX_BOXES, SOUND) == []


@pytest.mark.parametrize(("table", "count"), [(b"stco", 5), (b"stsc", 2), (b"stsz", 5)])
def test_a_table_shorter_than_its_count_has_no_ranges(table: bytes, count: int) -> None:
    index = _track(b"vide", PICTURES)
    place = index.index(table) + (12 if table == b"stsz" else 8)
    assert _ranges(SOUND, index) == _at(0, 3, 3.001, 6)
    assert _ranges(SOUND, index[:place] + count.to_bytes(4) + index[place + 4 :]) == []


@pytest.mark.parametrize("large", [b"stco", b"stsc", b"stsz"])
def test_a_large_table_takes_limited_memory(large: bytes) -> None:
    entries = (MAX_INDEX_BYTES - 1000) // 12 * 3
    tables = {
        b"stsc": _table(b"stsc", 1, 1, 1, 1),
        b"stco": _table(b"stco", 1, FIRST),
        b"stsz": _box(b"stsz", bytes(4), (1000).to_bytes(4), entries.to_bytes(4)),
        large: _box(large, bytes(8 if large == b"stsz" else 4), entries.to_bytes(4), bytes(range(12)) * (entries // 3)),
    }
    content = _box(b"moov", _movie_track(b"vide", [_entry(b"avc1")], [SELF_CONTAINED], *tables.values()))
    tracemalloc.start()
    assert picture_ranges(io.BytesIO(content), SIZE) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * MAX_INDEX_BYTES


@pytest.mark.parametrize(("before", "found"), [(MAX_TOP_LEVEL_BOXES - 1, True), (MAX_TOP_LEVEL_BOXES, False)])
def test_an_index_after_many_boxes_is_not_searched_for(before: int, found: bool) -> None:
    content = _box(b"mdat") * before + _box(b"moov", _track(b"vide", [BEGINNING, *PICTURES]))
    positions: list[int] = []
    file = Watched(io.BytesIO(content), positions.append)
    assert picture_ranges(cast(BinaryIO, file), SIZE) == (_at(0, 3, 3.001, 6) if found else [])
    assert len(positions) <= MAX_TOP_LEVEL_BOXES + 2


@pytest.mark.parametrize("kind", [b"moof", b"styp"])
def test_the_search_for_the_index_ends_at_the_first_fragment(kind: bytes) -> None:
    content = _box(b"ftyp") + _box(kind) + _box(b"moov", _track(b"vide", [BEGINNING, *PICTURES]))
    assert picture_ranges(io.BytesIO(content), SIZE) == []


def test_a_file_without_pictures_has_the_same_bytes_except_for_zeros() -> None:
    content = random.Random(1).randbytes(1000)
    ranges = [(100, 200), (200, 250), (900, 1000)]
    expected = bytearray(content)
    for start, end in ranges:
        expected[start:end] = bytes(end - start)
    file = FileWithoutPictures(io.BytesIO(content), ranges)
    for start in range(1001):
        assert file.seek(start) == file.tell() == start
        read = file.read(60)
        assert read == expected[start : start + len(read)]
        assert read or start == 1000
    file.seek(0)
    assert b"".join(iter(lambda: file.read(7), b"")) == expected
    assert file.seek(-10, io.SEEK_END) == 990
    assert file.seek(-10, io.SEEK_CUR) == 980


def test_the_underlying_file_is_not_read_in_a_range_and_is_closed() -> None:
    class Strict(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert not 100 <= self.tell() < 200
            assert not self.tell() < 100 < self.tell() + size
            return super().read(size)

    underlying = Strict(bytes(300))
    file = FileWithoutPictures(underlying, [(100, 200)])
    assert len(b"".join(iter(lambda: file.read(64), b""))) == 300
    file.close()
    assert underlying.closed


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video that is interleaved like a phone's, and consists almost entirely of pictures."""
    sources = ("-f", "lavfi", "-i", "testsrc2=d=4:s=640x480:r=25", "-f", "lavfi", "-i", "anoisesrc=d=4:r=44100")
    codecs = ("-pix_fmt", "yuv420p", "-c:v", "rawvideo", "-c:a", "aac", "-chunk_duration", "500000")
    return ffmpeg(tmp_path_factory.mktemp("clip") / "a.mov", *sources, *codecs)


def test_a_video_without_its_pictures_has_the_same_sound(services: Services, video: Path, save_mp3: SaveMp3) -> None:
    whole = queued_job(services, video.read_bytes(), "a.mov")
    convert(event_for(whole), services)
    read: set[int] = set()
    plain = services.videos
    services.videos = WatchedStore(plain, lambda position: read.add(position // module.BLOCK))
    job = queued_job(services, video.read_bytes(), "a.mov")
    convert(event_for(job), services)
    assert job_now(services, job.id).state == State.READY
    assert (
        decode_file(save_mp3(job_now(services, job.id))).samples.tobytes()
        == decode_file(save_mp3(job_now(services, whole.id))).samples.tobytes()
    )
    assert len(read) * module.BLOCK < EXAMINED_BYTES + video.stat().st_size / 4
