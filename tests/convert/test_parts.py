"""A sound that is encoded on several cores is, bit for bit, what one encoder makes of it."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastcrc import crc16
from mutagen.mp3 import MP3
from structlog.testing import capture_logs

from devservers.waiting import wait_for
from functions.convert.encode.ffmpeg import Ffmpeg, binary
from functions.convert.encode.mp3_frames import FrontFrame, frames
from functions.convert.encode.parallel.packing import packed
from functions.convert.encode.parallel.parts import RUN_IN, SHORTEST_BLOCK, Cut, NotJoined, Parts, joined_frames
from functions.convert.encode.range_server import Source, serving
from functions.convert.handler import convert
from functions.convert.plan.recipe import Recipe
from soundlift.common.events import event_of
from soundlift.common.jobs.model import Job, State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.process_group import process_group
from soundlift.common.services import Services
from tests.convert.conftest import Convert
from tests.convert.sounds import RATE, SECONDS, SOUNDS, by_one_encoder, recipe_of, wavs
from tests.factories.clips import ffmpeg
from tests.factories.jobs import job_now, queued_job
from tests.factories.stores import held

OPTIONS = {
    "V2": AudioOptions(),
    "V7": AudioOptions(quality=7),
    "128k": AudioOptions(bitrate=128),
    "320k": AudioOptions(bitrate=320),
    "mono": AudioOptions(bitrate=64, channels=1),
    "24 kHz": AudioOptions(sample_rate=24000),
    "trimmed": AudioOptions(start=1.5, end=57.123),
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a WAV of each sound."""
    return wavs(tmp_path_factory.mktemp("sounds"))


@contextmanager
def _encoded(services: Services, file: Path, recipe: Recipe, cut: Cut, folder: Path) -> Iterator[Parts]:
    """Give the parts of a sound, all encoded."""
    job = queued_job(services, file.read_bytes(), file.name)
    source = Source(services.videos, job.video_fid)
    source.opened.set()
    with serving(source) as url:
        parts = Parts(url, recipe, cut, folder, services.settings)
        try:
            assert parts.wait().status == 0
            yield parts
        finally:
            parts.close()


@pytest.mark.parametrize(
    ("sound", "options", "workers"),
    [
        *((sound, options, 2) for sound in SOUNDS for options in OPTIONS),
        *(("music", options, 3) for options in OPTIONS),
    ],
)
def test_the_parts_join_to_the_frames_of_one_encoder(
    services: Services, sounds: dict[str, Path], tmp_path: Path, sound: str, options: str, workers: int
) -> None:
    recipe = recipe_of(OPTIONS[options])
    whole = by_one_encoder(sounds[sound], recipe, tmp_path / "whole.mp3")
    length = SECONDS if options != "trimmed" else 55.623
    cut = Cut.of(length, recipe.rate, workers)
    assert cut is not None
    with whole.open("rb") as file:
        front, *sounding = frames(file)
    with _encoded(services, sounds[sound], recipe, cut, tmp_path) as parts:
        with parts.joined() as (_, lone):
            assert list(lone) == sounding
        parts.join(tmp_path / "joined.mp3")
    with (tmp_path / "joined.mp3").open("rb") as file:
        front_of_ours, *ours = frames(file)
    assert ours == (sounding if OPTIONS[options].bitrate else list(packed(sounding)))
    assert FrontFrame.of(front_of_ours).samples == round(length * recipe.rate)
    assert len(front_of_ours) == len(front)


# Of 4 units, the shortest block that holds a run-in at either end. The sounds end within the last block's run-in,
# with a block, a sample behind one, and a sample before one; each goes round all workers more than once.
@pytest.mark.parametrize(
    ("workers", "length", "bitrate"),
    [
        (2, (5 * 2 * RUN_IN + 30) * 1152, 128),
        (3, 5 * 2 * RUN_IN * 1152, None),
        (2, 4 * 2 * RUN_IN * 1152 + 1, None),
        (3, 5 * 2 * RUN_IN * 1152 - 1, None),
    ],
)
def test_at_no_seam_a_frame_is_lost_or_there_twice_however_short_the_last_part_is(
    services: Services, sounds: dict[str, Path], tmp_path: Path, workers: int, length: int, bitrate: int | None
) -> None:
    recipe = recipe_of(AudioOptions(bitrate=bitrate))
    recipe = replace(recipe, filters=(*recipe.filters, f"atrim=end_sample={length}"))
    whole = by_one_encoder(sounds["music"], recipe, tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        sounding = list(frames(file))[1:]
    cut = Cut(workers=workers, block=2 * RUN_IN, samples=1152)
    with _encoded(services, sounds["music"], recipe, cut, tmp_path) as parts, parts.joined() as (_, lone):
        assert parts.samples == length
        assert list(lone) == sounding


@pytest.fixture
def joined(
    services: Services, sounds: dict[str, Path], converted: Convert, mp3_of: Callable[[Job], Path]
) -> tuple[Path, Job]:
    services.settings = replace(services.settings, convert_concurrency=2)
    job = converted(sounds["music"])
    return mp3_of(job), job


def test_a_long_sound_alone_takes_all_cores_and_gives_a_whole_mp3(
    joined: tuple[Path, Job], sounds: dict[str, Path], tmp_path: Path
) -> None:
    mp3, job = joined
    whole = by_one_encoder(sounds["music"], recipe_of(AudioOptions()), tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        sounding = list(frames(file))[1:]
    assert mp3.read_bytes().endswith(b"".join(packed(sounding)))
    assert job.length == SECONDS
    assert MP3(mp3).info.length == pytest.approx(SECONDS, abs=3 * 1152 / RATE)  # it counts the padding


def test_a_long_sound_beside_another_conversion_takes_one_core(
    services: Services, converted: Convert, mp3_of: Callable[[Job], Path], tmp_path: Path
) -> None:
    file = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "anoisesrc=duration=27:seed=1")
    services.settings = replace(services.settings, convert_concurrency=2)
    worker = Services(services.settings)
    worker.videos, waiting, let_go = held(services.videos, beyond=0)
    job = queued_job(services, file.read_bytes(), file.name)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(convert, event_of(job), worker)
        try:
            assert waiting.wait(30)
            on_one_core = mp3_of(converted(file))
        finally:
            let_go.set()
        assert first.result() is not None
    worker.database.engine.dispose()
    # The first one is in parts, whose frames were packed: the same length in other bytes.
    in_parts = mp3_of(job_now(services, job.id))
    assert MP3(in_parts).info.length == pytest.approx(MP3(on_one_core).info.length, abs=0.01)
    assert in_parts.read_bytes() != on_one_core.read_bytes()


@pytest.mark.parametrize(("bitrate", "cut"), [("96", True), ("112", False), ("320", False)])
def test_a_bit_rate_at_which_lone_frames_cost_quality_is_encoded_in_one(
    services: Services,
    sounds: dict[str, Path],
    converted: Convert,
    mp3_of: Callable[[Job], Path],
    tmp_path: Path,
    bitrate: str,
    cut: bool,
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    lone = by_one_encoder(sounds["music"], recipe_of(AudioOptions(bitrate=int(bitrate))), tmp_path / "lone.mp3")
    with lone.open("rb") as file:
        sounding = list(frames(file))[1:]
    mp3 = mp3_of(converted(sounds["music"], bitrate=bitrate)).read_bytes()
    assert mp3.endswith(b"".join(sounding)) == cut


def test_the_joined_mp3_decodes_to_its_last_sample_without_a_word(joined: tuple[Path, Job]) -> None:
    command = [binary(), "-v", "warning", "-nostdin", "-i", str(joined[0]), "-f", "f32le", "-ac", "1", "-"]
    decoded = subprocess.run(command, check=True, capture_output=True)
    assert decoded.stderr == b""
    assert len(decoded.stdout) // 4 == SECONDS * RATE


def test_the_front_frame_tells_what_follows_it(joined: tuple[Path, Job], tmp_path: Path) -> None:
    mp3 = joined[0].read_bytes()
    begin = 10 + (mp3[6] << 21 | mp3[7] << 14 | mp3[8] << 7 | mp3[9])  # ID3v2.4, section 3.1
    (tmp_path / "bare.mp3").write_bytes(mp3[begin:])
    with (tmp_path / "bare.mp3").open("rb") as file:
        front, *sounding = list(frames(file))
    tag = front[36:]
    assert tag[:4] == b"Xing"
    assert int.from_bytes(tag[8:12]) == len(sounding)
    assert int.from_bytes(tag[12:16]) == len(mp3) - begin
    ends = [0, *itertools.accumulate(len(frame) for frame in (front, *sounding))]
    hundredths = [ends[(1 + len(sounding)) * percent // 100] for percent in range(100)]
    assert list(tag[16:116]) == [256 * begin // ends[-1] for begin in hundredths]
    assert int.from_bytes(tag[152:154]) == crc16.arc(b"".join(sounding))
    assert int.from_bytes(tag[154:156]) == crc16.arc(front[: 36 + 154])


@pytest.mark.parametrize(("seconds", "workers"), [(5, 2), (600, 1), (20, 3)])
def test_a_short_sound_or_a_busy_machine_is_not_worth_a_cut(seconds: float, workers: int) -> None:
    assert Cut.of(seconds, RATE, workers) is None


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("workers", [2, 3, 8])
@pytest.mark.parametrize("seconds", [60, 599.9, 3600, 54000])
def test_the_pieces_of_all_workers_cover_a_sound_and_overlap_by_the_run_in(
    seconds: float, workers: int, rate: int
) -> None:
    cut = Cut.of(seconds, rate, workers)
    if cut is None:
        return
    assert cut.block >= SHORTEST_BLOCK
    frames_in_all = int(seconds * rate / cut.samples)
    pieces = sorted(
        piece
        for worker in range(workers)
        for piece in _until(cut.pieces(worker), frames_in_all)
    )  # fmt: skip
    assert pieces[0] == (0, cut.block)
    for (begin, length), (following, _) in itertools.pairwise(pieces):
        assert begin + length == following + RUN_IN
    assert sum(pieces[-1]) >= frames_in_all


def _until(pieces: Iterator[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    for begin, length in pieces:
        if begin >= end:
            return
        yield begin, length


def test_parts_of_less_sound_than_was_announced_do_not_join(
    services: Services, sounds: dict[str, Path], tmp_path: Path
) -> None:
    recipe = recipe_of(AudioOptions(end=10))
    cut = Cut(workers=2, block=SHORTEST_BLOCK * 2, samples=1152)
    job = queued_job(services, sounds["music"].read_bytes(), "a.wav")
    source = Source(services.videos, job.video_fid)
    source.opened.set()
    (tmp_path / "part1.mp3").write_bytes(b"of the run before")
    with serving(source) as url:
        parts = Parts(url, recipe, cut, tmp_path, services.settings)
        parts.wait()
        with pytest.raises(NotJoined):
            parts.join(tmp_path / "joined.mp3")
        parts.close()


def test_a_file_that_is_shorter_than_it_says_is_converted_all_the_same(
    services: Services, sounds: dict[str, Path], converted: Convert, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    flac = ffmpeg(tmp_path / "whole.flac", "-i", str(sounds["music"]))
    (tmp_path / "cut.flac").write_bytes(flac.read_bytes()[: flac.stat().st_size // 4])
    with capture_logs() as logs:
        job = converted(tmp_path / "cut.flac")
    assert [line for line in logs if line["event"] == "parts do not join"]
    assert job.state == State.READY
    assert job.length is not None
    assert job.missing_seconds == pytest.approx(SECONDS - job.length, abs=0.1)


@pytest.mark.parametrize(
    ("seconds", "rate", "workers", "cut"),
    [
        # Of 490 frames for each worker, the fewest that are worth a cut.
        (2 * 490 * 1152 / 48000, 48000, 2, Cut(2, 490, 1152)),
        ((2 * 489 * 1152) / 48000, 48000, 2, None),
        ((2 * 489 * 1152 + 1) / 48000, 48000, 2, Cut(2, 490, 1152)),
        (2 * 491 * 1152 / 48000, 48000, 2, Cut(2, 539, 1152)),
        # Of no more than 3920 at a time.
        (2 * 3920 * 1152 / 48000, 48000, 2, Cut(2, 3920, 1152)),
        (2 * 3921 * 1152 / 48000, 48000, 2, Cut(2, 2009, 1152)),
        (3 * 490 * 1152 / 32000, 32000, 3, Cut(3, 490, 1152)),
        (3 * 490 * 576 / 24000, 24000, 3, Cut(3, 490, 576)),
        (3600, 48000, 1, None),
    ],
)
def test_a_sound_is_cut_into_even_blocks_of_whole_units(
    seconds: float, rate: int, workers: int, cut: Cut | None
) -> None:
    assert Cut.of(seconds, rate, workers) == cut


@pytest.mark.parametrize(("workers", "units"), [(2, 4), (3, 5), (4, 4)])
def test_the_filters_deal_out_the_pieces_that_the_cut_tells(workers: int, units: int) -> None:
    cut = Cut(workers=workers, block=units * 49, samples=576)
    dealing, *selecting = cut.filters().split(";")
    outs = "".join(f"[part{worker}]" for worker in range(workers))
    assert dealing == f"[in]asetnsamples={576 * 49}:p=0,asplit={workers}{outs}"
    turns = range(3 * workers * units)
    for worker, selection in enumerate(selecting):
        condition = selection.removeprefix(f"[part{worker}]aselect='").removesuffix(f"'[out{worker}]")
        pieces = list(itertools.islice(cut.pieces(worker), 5))
        told = [n for n in turns if any(begin <= 49 * n < begin + length for begin, length in pieces)]
        assert [n for n in turns if _selects(condition, n)] == told
        assert pieces[0][0] == max(0, worker * cut.block - RUN_IN)
    assert len(selecting) == workers


def _selects(condition: str, n: int) -> bool:
    """Evaluate an expression of FFmpeg's, of which a frame of sound is given where the value is not 0."""
    mod, first, last = re.match(r"between\(mod\(n,(\d+)\),(-?\d+),(\d+)\)", condition).groups()  # type: ignore[union-attr]
    around = re.search(r"\+gte\(mod\(n,(\d+)\),(\d+)\)$", condition)
    within = int(first) <= n % int(mod) <= int(last)
    return within or (around is not None and n % int(around[1]) >= int(around[2]))


@pytest.mark.parametrize(
    ("worker", "given", "end"),
    # In frames, of blocks of 196 with run-ins of 98, in turn to two workers, and one sample more or less.
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
def test_where_an_encoder_stopped_is_told_by_the_samples_that_it_was_given(worker: int, given: int, end: int) -> None:
    assert Cut(workers=2, block=196, samples=576).end(worker, given) == end


def _streams(cut: Cut, length: int, unsettled: int) -> list[Iterator[bytes]]:
    """Return the frames of each encoder, by their numbers; of a run-in, so many are not yet those of the whole."""
    streams = []
    for worker in range(cut.workers):
        stream: list[bytes] = []
        for begin, size in _until(cut.pieces(worker), length):
            piece = [str(number).encode() for number in range(begin, min(begin + size, length))]
            if begin:
                piece[:unsettled] = [b"unsettled" + number for number in piece[:unsettled]]
            stream += piece
        streams.append(iter(stream))
    return streams


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("length", [100, 196, 197, 392, 5 * 196, 7 * 196 + 5])
@pytest.mark.parametrize("unsettled", [0, 1, 50, RUN_IN - 2])
def test_frames_are_joined_in_their_order_none_lost_and_none_twice(workers: int, length: int, unsettled: int) -> None:
    cut = Cut(workers=workers, block=2 * RUN_IN, samples=576)
    for samples in (length * 576, (length - 1) * 576 + 1):
        joined = joined_frames(_streams(cut, length, unsettled), cut, samples)
        assert list(joined) == [str(number).encode() for number in range(length)]


@pytest.mark.parametrize("unsettled", [RUN_IN - 1, RUN_IN])
def test_encoders_that_do_not_settle_within_a_run_in_have_no_seam(unsettled: int) -> None:
    cut = Cut(workers=2, block=2 * RUN_IN, samples=576)
    with pytest.raises(NotJoined):
        list(joined_frames(_streams(cut, 500, unsettled), cut, 500 * 576))


@pytest.fixture(scope="module")
def hiss(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a WAV that is soon encoded: 21 seconds, or 875 frames, of one channel at 24 kHz."""
    noise = f"anoisesrc=sample_rate=24000:seed=1:amplitude=0.1,atrim=end_sample={875 * 576}"
    return ffmpeg(tmp_path_factory.mktemp("hiss") / "hiss.wav", "-f", "lavfi", "-i", noise)


def _hiss_recipe(bitrate: int | None = None) -> Recipe:
    return recipe_of(AudioOptions(sample_rate=24000, channels=1, bitrate=bitrate), rate=24000)


HISS_CUT = Cut(workers=2, block=2 * RUN_IN, samples=576)


def _open_pipes() -> set[int]:
    """Return the numbers of this process's pipes."""
    found = set()
    for number in (int(path.name) for path in Path("/dev/fd").iterdir()):
        with suppress(OSError):  # the folder itself
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                found.add(number)
    return found


@pytest.mark.parametrize("bitrate", [None, 48])
def test_parts_tell_how_far_they_are_and_how_long_the_sound_is_and_leave_nothing_open(
    services: Services, hiss: Path, tmp_path: Path, bitrate: int | None
) -> None:
    recipe = _hiss_recipe(bitrate)
    whole = by_one_encoder(hiss, recipe, tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        front, *sounding = frames(file)
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    source, told = Source(services.videos, job.video_fid), list[float]()
    source.opened.set()
    with serving(source) as url:
        process_group()  # has a pipe, once for all
        before = _open_pipes()
        parts = Parts(url, recipe, HISS_CUT, tmp_path, services.settings)
        assert parts.samples == 0
        assert parts.wait(told.append).status == 0
        parts.close()
        assert _open_pipes() <= before
    assert told
    assert parts.samples == 875 * 576
    parts.join(tmp_path / "joined.mp3")
    expected = list(packed(sounding)) if bitrate is None else sounding
    described = FrontFrame.of(front).describing(
        [len(frame) for frame in expected], 875 * 576, crc16.arc(b"".join(expected))
    )
    assert (tmp_path / "joined.mp3").read_bytes() == described.data + b"".join(expected)


class _Recorded(Ffmpeg):
    """An FFmpeg that is kept in a list; the one that would be the `refused`th cannot be started."""

    runs: ClassVar[list[_Recorded]] = []
    refused = 0

    def __init__(self, arguments: Sequence[str], *args: Any, **options: Any) -> None:
        if len(self.runs) + 1 == self.refused:
            raise OSError(errno.EAGAIN, "no more processes")
        self.arguments = arguments
        super().__init__(arguments, *args, **options)
        self.runs.append(self)

    @property
    def status(self) -> int | None:
        return self._process.poll()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> type[_Recorded]:
    monkeypatch.setattr("functions.convert.encode.parallel.parts.Ffmpeg", _Recorded)
    monkeypatch.setattr(_Recorded, "runs", [])
    monkeypatch.setattr(_Recorded, "refused", 0)
    return _Recorded


@pytest.mark.parametrize("victim", range(3))
def test_parts_of_which_one_is_killed_all_end_with_its_status_and_are_not_joined(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded], victim: int
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    with serving(Source(services.videos, job.video_fid)) as url:
        parts = Parts(url, _hiss_recipe(), HISS_CUT, tmp_path, services.settings)
        recorded.runs[victim].kill()
        assert parts.wait().status == -signal.SIGKILL
        assert all(run.status for run in recorded.runs)
        parts.close()
    for worker in range(2):
        (tmp_path / f"part{worker}.mp3").write_bytes(b"")
    with pytest.raises(NotJoined), parts.joined():
        pass


def test_parts_are_killed_and_closed_as_a_whole(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded]
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    with serving(Source(services.videos, job.video_fid)) as url:
        for end in (Parts.kill, Parts.close):
            recorded.runs.clear()
            parts = Parts(url, _hiss_recipe(), HISS_CUT, tmp_path, services.settings)
            assert [run.status for run in recorded.runs] == [None] * 3
            end(parts)
            # An encoder whose decoder was killed may end before it is killed itself.
            wait_for(lambda: all(run.status is not None for run in recorded.runs), "all have ended")
            assert recorded.runs[0].status == -signal.SIGKILL
            parts.close()


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_parts_that_cannot_all_be_started_leave_no_process_and_no_pipe(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded], refused: int
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    recorded.refused = refused
    with serving(Source(services.videos, job.video_fid)) as url:
        process_group()  # has a pipe, once for all
        before = _open_pipes()
        with pytest.raises(OSError, match="no more processes"):
            Parts(url, _hiss_recipe(), HISS_CUT, tmp_path, services.settings)
        assert [run.status for run in recorded.runs] == [-signal.SIGKILL] * (refused - 1)
        assert _open_pipes() <= before


def test_a_pipe_has_room_for_what_is_decoded_while_its_encoder_is_at_the_block_before(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded]
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    with serving(Source(services.videos, job.video_fid)) as url:
        parts = Parts(url, _hiss_recipe(), HISS_CUT, tmp_path, services.settings)
        parts.close()
    decoder = list(recorded.runs[0].arguments)
    rooms = [decoder[at + 1] for at, argument in enumerate(decoder) if argument == "-thread_queue_size"]
    assert rooms == [str((196 + 2 * 98) // 49)] * 2
