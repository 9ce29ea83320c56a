"""The division of sound into blocks for several encoders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

# In frames. At 44.1 kHz, CBR pads 47 of every 49 frames by a byte; blocks that begin at a multiple pad the same frames.
UNIT = 49
RUN_IN = 2 * UNIT
RESERVOIR_RUN_IN = 3 * UNIT  # until two encoders have also left the same number of bits unused
MIN_BLOCK, MAX_BLOCK = 10 * UNIT, 80 * UNIT
MPEG_1_SAMPLES, MPEG_2_SAMPLES = 1152, 576
MPEG_1_MIN_RATE = 32000


@dataclass(frozen=True)
class Partition:
    """A division into blocks of `block` frames, with `samples` samples each, that go to `workers` encoders in turn.

    Before each block, its encoder receives the last `run_in` frames of the previous one.
    """

    workers: int
    block: int
    samples: int
    run_in: int = RUN_IN

    @classmethod
    def of(cls, seconds: float, rate: int, workers: int, run_in: int = RUN_IN) -> Partition | None:
        """Return the partition of a sound, or None if the sound is too short to be divided."""
        samples = MPEG_1_SAMPLES if rate >= MPEG_1_MIN_RATE else MPEG_2_SAMPLES
        frames = math.ceil(seconds * rate / samples / workers)
        if workers < 2 or frames < MIN_BLOCK:
            return None
        turns = math.ceil(frames / MAX_BLOCK)
        return cls(workers, math.ceil(frames / turns / UNIT) * UNIT, samples, run_in)

    def filters(self) -> str:
        """Return the filters that distribute the sound from [in] to [out0], [out1] and so on."""
        turn, run_in = self.workers * self.block // UNIT, self.run_in // UNIT
        split = "".join(f"[part{worker}]" for worker in range(self.workers))
        steps = [f"[in]asetnsamples={self.samples * UNIT}:p=0,asplit={self.workers}{split}"]
        for worker in range(self.workers):
            first, last = worker * self.block // UNIT - run_in, (worker + 1) * self.block // UNIT - 1
            wrapped = f"+gte(mod(n,{turn}),{turn + first})" if worker == 0 else ""
            steps.append(f"[part{worker}]aselect='between(mod(n,{turn}),{first},{last}){wrapped}'[out{worker}]")
        return ";".join(steps)

    def pieces(self, worker: int) -> Iterator[tuple[int, int]]:
        """Yield the position and the length, in frames, of each piece of the sound that an encoder receives."""
        if worker == 0:
            yield 0, self.block
        for turn in count(0 if worker else 1):
            yield (turn * self.workers + worker) * self.block - self.run_in, self.block + self.run_in

    def end(self, worker: int, samples: int) -> int:
        """Return the position in the sound, in samples, up to which an encoder has received a number of samples."""
        for begin, length in self.pieces(worker):
            if samples <= length * self.samples:
                return begin * self.samples + samples if samples else 0
            samples -= length * self.samples
        raise AssertionError
