"""Encodes one sound on several cores, so that its frames are bit for bit what one encoder makes of it.

One FFmpeg decodes. Its frames go to the encoders in blocks, in turn, and each encoder is given the end of the block
before as a run-in, until it is in the state that the encoder of that block is in: from then on both make the very same
frames. There the parts are joined. It takes that no frame borrows bits from the one before (`-reservoir 0`). Frames of
variable bit rate, which are larger so, are packed afterwards.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from pathlib import Path

from fastcrc import crc16

from soundlift.common.settings import Settings

from ...plan.arguments import encoding, listing
from ...plan.recipe import Recipe
from ...probe.report import read_encoded
from ..ffmpeg import Ffmpeg, OnProgress, Outcome, reading
from ..mp3_frames import FrontFrame, alike, frames
from .packing import packed

# In frames. CBR at 44.1 kHz pads 47 of each 49 by a byte; parts that begin at a multiple pad the same ones.
UNIT = 49
RUN_IN = 2 * UNIT
SHORTEST_BLOCK, LONGEST_BLOCK = 10 * UNIT, 80 * UNIT
SAMPLES_OF_MPEG_1, SAMPLES_OF_MPEG_2 = 1152, 576
LOWEST_RATE_OF_MPEG_1 = 32000


class NotJoined(Exception):
    """Says that parts make no whole: two encoders never came to the same frames, or one was given no sound at all."""


@dataclass(frozen=True)
class Cut:
    """Is how a sound is dealt out: blocks of `block` frames, in turn to `workers` encoders."""

    workers: int
    block: int
    samples: int

    @classmethod
    def of(cls, seconds: float, rate: int, workers: int) -> Cut | None:
        """Return the cut of a sound, or None where it is too short to be worth one."""
        samples = SAMPLES_OF_MPEG_1 if rate >= LOWEST_RATE_OF_MPEG_1 else SAMPLES_OF_MPEG_2
        each = math.ceil(seconds * rate / samples / workers)
        if workers < 2 or each < SHORTEST_BLOCK:
            return None
        turns = math.ceil(each / LONGEST_BLOCK)
        return cls(workers, math.ceil(each / turns / UNIT) * UNIT, samples)

    def filters(self) -> str:
        """Return the filters that deal the sound of [in] out to [out0], [out1] and so on."""
        turn, run_in = self.workers * self.block // UNIT, RUN_IN // UNIT
        split = "".join(f"[part{worker}]" for worker in range(self.workers))
        steps = [f"[in]asetnsamples={self.samples * UNIT}:p=0,asplit={self.workers}{split}"]
        for worker in range(self.workers):
            first, last = worker * self.block // UNIT - run_in, (worker + 1) * self.block // UNIT - 1
            around = f"+gte(mod(n,{turn}),{turn + first})" if worker == 0 else ""
            steps.append(f"[part{worker}]aselect='between(mod(n,{turn}),{first},{last}){around}'[out{worker}]")
        return ";".join(steps)

    def pieces(self, worker: int) -> Iterator[tuple[int, int]]:
        """Yield where in the whole sound each piece that an encoder is given begins, and its length, in frames."""
        if worker == 0:
            yield 0, self.block
        for turn in count(0 if worker else 1):
            yield (turn * self.workers + worker) * self.block - RUN_IN, self.block + RUN_IN

    def end(self, worker: int, samples: int) -> int:
        """Return where in the whole sound, in samples, an encoder stopped that was given so many."""
        for begin, length in self.pieces(worker):
            if samples <= length * self.samples:
                return begin * self.samples + samples if samples else 0
            samples -= length * self.samples
        raise AssertionError


class Parts:
    """Is one decoder and its encoders, at work on the recipe's stream; `folder` gets a file for each encoder."""

    def __init__(self, url: str, recipe: Recipe, cut: Cut, folder: Path, settings: Settings) -> None:
        self._cut = cut
        self._is_packed = recipe.bitrate is None
        self._files = [folder / f"part{worker}.mp3" for worker in range(cut.workers)]
        self._ends: list[int] = []
        self._failed = False
        for file in self._files:
            file.unlink(missing_ok=True)
        pipes = [os.pipe() for _ in self._files]
        outs = [
            *("-filter_complex", f"[0:{recipe.stream}]{','.join(recipe.filters)},aformat=flt[in];{cut.filters()}"),
            *(part for worker, (_, out) in enumerate(pipes) for part in self._raw(worker, out)),
            *listing(folder),
        ]
        with ExitStack() as failed, ExitStack() as given_away:
            for end in chain(*pipes):
                given_away.callback(os.close, end)
            self._decoder = Ffmpeg([*reading(url, recipe.lead), *outs], settings, pipes=[out for _, out in pipes])
            failed.callback(self._decoder.close)
            self._encoders = []
            for file, (into, _) in zip(self._files, pipes, strict=True):
                arguments = ["-f", "nut", "-i", "pipe:0", *encoding(recipe, file, reservoir=False)]
                self._encoders.append(Ffmpeg(arguments, settings, stdin=into))
                failed.callback(self._encoders[-1].close)
            failed.pop_all()

    @property
    def samples(self) -> int:
        """Return how long the whole sound was, in samples of one channel, when all has ended."""
        return max(self._ends, default=0)

    def kill(self) -> None:
        """End all of it at once, from any thread."""
        for ffmpeg in (self._decoder, *self._encoders):
            ffmpeg.kill()

    def close(self) -> None:
        """End what still runs, and give back what it had of this process."""
        for ffmpeg in (self._decoder, *self._encoders):
            ffmpeg.close()

    def wait(self, on_progress: OnProgress | None = None) -> Outcome:
        """Return how the decoder ended; the first encoder that was killed ends all, and gives its status."""
        killed: list[int] = []

        def follow(encoder: Ffmpeg) -> int:
            outcome = encoder.wait()
            self._failed = self._failed or outcome.status != 0
            if outcome.status < 0:
                killed.append(outcome.status)
                self.kill()
            return read_encoded(outcome.report)

        with ThreadPoolExecutor(len(self._encoders)) as pool:
            encoded = [pool.submit(follow, encoder) for encoder in self._encoders]
            outcome = self._decoder.wait(on_progress)
        self._ends = [self._cut.end(worker, samples.result()) for worker, samples in enumerate(encoded)]
        return replace(outcome, status=killed[0]) if killed else outcome

    def join(self, output: Path) -> None:
        """Write the MP3 of all parts to a file, in as few bytes as hold it; raises NotJoined where that cannot be."""
        with self.joined() as (front, lone), output.open("wb") as mp3:
            sizes, crc = array("H"), 0
            mp3.write(front.data)
            for frame in packed(lone) if self._is_packed else lone:
                mp3.write(frame)
                sizes.append(len(frame))
                crc = crc16.arc(frame, crc)
            mp3.seek(0)
            mp3.write(front.describing(sizes, self.samples, crc).data)

    @contextmanager
    def joined(self) -> Iterator[tuple[FrontFrame, Iterator[bytes]]]:
        """Give a part's front frame, and the frames of all as they were encoded; raises NotJoined, also among them."""
        if not all(file.exists() for file in self._files):
            raise NotJoined("less sound than was announced")
        if self._failed:
            raise NotJoined("an encoder failed")
        with ExitStack() as stack:
            streams = [frames(stack.enter_context(file.open("rb"))) for file in self._files]
            fronts = [FrontFrame.of(next(stream, b"")) for stream in streams]
            yield fronts[0], joined_frames(streams, self._cut, self.samples)

    def _raw(self, worker: int, pipe: int) -> list[str]:
        """Return the arguments that send a part through a pipe, with room to decode on while an encoder is busy."""
        room = str((self._cut.block + 2 * RUN_IN) // UNIT)
        return ["-map", f"[out{worker}]", "-thread_queue_size", room, "-c:a", "pcm_f32le", "-f", "nut", f"pipe:{pipe}"]


def joined_frames(streams: Sequence[Iterator[bytes]], cut: Cut, samples: int) -> Iterator[bytes]:
    """Yield the frames of all blocks in their order, each going over to the next where both have the same frames.

    The streams are the encoders', and `samples` are those of the whole sound. Raises NotJoined where a seam is missing.
    """
    blocks = math.ceil(samples / cut.samples / cut.block)
    held: list[bytes] = []
    for number in range(blocks):
        stream = streams[number % cut.workers]
        run_in = list(islice(stream, RUN_IN if number else 0))
        seam = alike(held, run_in) if number else -1
        if seam is None:
            raise NotJoined(f"no seam before frame {number * cut.block}")
        yield from held[: seam + 1]
        yield from run_in[seam + 1 :]
        if number == blocks - 1:
            yield from stream
            return
        block = list(islice(stream, cut.block))
        yield from block[:-RUN_IN]
        held = block[-RUN_IN:]
