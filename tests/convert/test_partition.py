"""The division of sound into blocks for several encoders, and the joining of their frames."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from functions.convert.encode.parallel.joining import NotJoined, find_overlap, join_frames
from functions.convert.encode.parallel.partition import MIN_BLOCK, RUN_IN, Partition
from tests.convert.sounds import RATE

pytestmark = pytest.mark.media


@pytest.mark.parametrize(("seconds", "workers"), [(5, 2), (600, 1), (20, 3)])
def test_a_short_sound_or_a_single_core_has_no_partition(seconds: float, workers: int) -> None:
    assert Partition.of(seconds, RATE, workers) is None


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("workers", [2, 3, 8])
@pytest.mark.parametrize("seconds", [60, 599.9, 3600, 54000])
def test_the_pieces_of_all_encoders_cover_a_sound_and_overlap_by_the_run_in(
    seconds: float, workers: int, rate: int
) -> None:
    partition = Partition.of(seconds, rate, workers)
    if partition is None:
        return
    assert partition.block >= MIN_BLOCK
    total = int(seconds * rate / partition.samples)
    pieces = sorted(
        piece
        for worker in range(workers)
        for piece in _until(partition.pieces(worker), total)
    )  # fmt: skip
    assert pieces[0] == (0, partition.block)
    for (begin, length), (following, _) in itertools.pairwise(pieces):
        assert begin + length == following + RUN_IN
    assert sum(pieces[-1]) >= total


def _until(pieces: Iterator[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    for begin, length in pieces:
        if begin >= end:
            return
        yield begin, length


@pytest.mark.parametrize(
    ("seconds", "rate", "workers", "partition"),
    [
        # 490 frames per worker, the minimum for a division.
        (2 * 490 * 1152 / 48000, 48000, 2, Partition(2, 490, 1152)),
        ((2 * 489 * 1152) / 48000, 48000, 2, None),
        ((2 * 489 * 1152 + 1) / 48000, 48000, 2, Partition(2, 490, 1152)),
        (2 * 491 * 1152 / 48000, 48000, 2, Partition(2, 539, 1152)),
        # At most 3920 frames per block.
        (2 * 3920 * 1152 / 48000, 48000, 2, Partition(2, 3920, 1152)),
        (2 * 3921 * 1152 / 48000, 48000, 2, Partition(2, 2009, 1152)),
        (3 * 490 * 1152 / 32000, 32000, 3, Partition(3, 490, 1152)),
        (3 * 490 * 576 / 24000, 24000, 3, Partition(3, 490, 576)),
        (3600, 48000, 1, None),
    ],
)
def test_a_sound_is_divided_into_even_blocks_of_whole_units(
    seconds: float, rate: int, workers: int, partition: Partition | None
) -> None:
    assert Partition.of(seconds, rate, workers) == partition


@pytest.mark.parametrize(("workers", "units"), [(2, 4), (3, 5), (4, 4)])
def test_the_filters_distribute_the_pieces_of_the_partition(workers: int, units: int) -> None:
    partition = Partition(workers=workers, block=units * 49, samples=576)
    splitting, *selections = partition.filters().split(";")
    outs = "".join(f"[part{worker}]" for worker in range(workers))
    assert splitting == f"[in]asetnsamples={576 * 49}:p=0,asplit={workers}{outs}"
    turns = range(3 * workers * units)
    for worker, selection in enumerate(selections):
        condition = selection.removeprefix(f"[part{worker}]aselect='").removesuffix(f"'[out{worker}]")
        pieces = list(itertools.islice(partition.pieces(worker), 5))
        expected = [n for n in turns if any(begin <= 49 * n < begin + length for begin, length in pieces)]
        assert [n for n in turns if _selects(condition, n)] == expected
        assert pieces[0][0] == max(0, worker * partition.block - RUN_IN)
    assert len(selections) == workers


def _selects(condition: str, n: int) -> bool:
    """Evaluate an expression of FFmpeg's aselect, which selects a frame if the value is not 0."""
    mod, first, last = re.match(r"between\(mod\(n,(\d+)\),(-?\d+),(\d+)\)", condition).groups()  # type: ignore[union-attr]
    wrapped = re.search(r"\+gte\(mod\(n,(\d+)\),(\d+)\)$", condition)
    within = int(first) <= n % int(mod) <= int(last)
    return within or (wrapped is not None and n % int(wrapped[1]) >= int(wrapped[2]))


@pytest.mark.parametrize(
    ("worker", "received", "end"),
    # Blocks of 196 frames with run-ins of 98 go to two workers in turn. Positions are at the ends of blocks, or a
    # sample after.
    [
        (0, 0, 0),
        (0, 196 * 576, 196 * 576),
        (0, 196 * 576 + 1, (2 * 196 - 98) * 576 + 1),
        (0, (196 + 294) * 576, 3 * 196 * 576),
        (0, (196 + 294) * 576 + 1, (4 * 196 - 98) * 576 + 1),
        (1, 0, 0),
        (1, 1, 98 * 576 + 1),
        (1, 294 * 576, 2 * 196 * 576),
        (1, 294 * 576 + 1, (3 * 196 - 98) * 576 + 1),
    ],
)
def test_the_position_of_an_encoder_follows_from_the_samples_it_received(worker: int, received: int, end: int) -> None:
    assert Partition(workers=2, block=196, samples=576).end(worker, received) == end


def _frame(number: int, *, settled: bool = True) -> bytes:
    """Return the head of a frame of mono without main data; the numbers are in fields of its granules."""
    return b"\xff\xfb\x90\xc4" + bytes(8) + bytes([not settled]) + bytes(6) + number.to_bytes(2)


def _streams(partition: Partition, length: int, unsettled: int) -> list[Iterator[bytes]]:
    """Return the numbered frames of each encoder; in a run-in, the first `unsettled` ones differ from the others."""
    streams = []
    for worker in range(partition.workers):
        stream: list[bytes] = []
        for begin, size in _until(partition.pieces(worker), length):
            numbers = range(begin, min(begin + size, length))
            stream += [_frame(number, settled=begin == 0 or number >= begin + unsettled) for number in numbers]
        streams.append(iter(stream))
    return streams


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("length", [100, 196, 197, 392, 5 * 196, 7 * 196 + 5])
@pytest.mark.parametrize("unsettled", [0, 1, 50, RUN_IN - 3])
def test_frames_are_joined_in_order_without_loss_or_repetition(workers: int, length: int, unsettled: int) -> None:
    partition = Partition(workers=workers, block=2 * RUN_IN, samples=576)
    for samples in (length * 576, (length - 1) * 576 + 1):
        joined = join_frames(_streams(partition, length, unsettled), partition, samples)
        assert list(joined) == list(map(_frame, range(length)))


@pytest.mark.parametrize("unsettled", [RUN_IN - 2, RUN_IN])
def test_encoders_that_do_not_converge_within_a_run_in_are_not_joined(unsettled: int) -> None:
    partition = Partition(workers=2, block=2 * RUN_IN, samples=576)
    with pytest.raises(NotJoined):
        list(join_frames(_streams(partition, 500, unsettled), partition, 500 * 576))


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [("", "", None), ("ab", "ab", None), ("abc", "abc", 0), ("abcd", "abcx", 0), ("abcd", "xbcd", 1),
     ("abcdefg", "abcxefg", 4), ("abcde", "abxde", None), ("abcdx", "abcdy", 1)],
)  # fmt: skip
def test_an_overlap_is_at_the_last_three_adjacent_frames_that_are_equal(
    one: str, other: str, overlap: int | None
) -> None:
    assert find_overlap(one, other) == overlap


def test_frames_of_unknown_contents_are_no_overlap() -> None:
    assert find_overlap([None] * 3, [None] * 3) is None


def test_sequences_of_different_lengths_are_rejected() -> None:
    with pytest.raises(ValueError, match="shorter"):
        find_overlap("ab", "a")
