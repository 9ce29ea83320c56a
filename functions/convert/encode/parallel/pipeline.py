"""One decoder that feeds several encoders through pipes."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from subprocess import DEVNULL

from fastcrc import crc16

from soundlift.common.process.sandbox.sandbox import Access
from soundlift.common.settings import Settings

from ...formats.mp3_frames import HeaderFrame, read_frames
from ...plan.plan import Plan
from ..ffmpeg import Ffmpeg, OnProgress, Outcome, input_args, server_address
from ..run_statistics import read_encoded
from .joining import NotJoined, join_frames
from .partition import UNIT, Partition
from .repacking import repack

NO_RESERVOIR = ("-reservoir", "0")  # no frame uses bits that previous frames left
MAX_BITRATE_WITHOUT_RESERVOIR = 96  # in kbit/s; constant bit rates up to this one lose at most 0.25 dB


def uses_reservoir(bitrate: int | None) -> bool:
    """Return whether frames of a constant bit rate (in kbit/s), or of a variable one (None), use the bit reservoir.

    Above 96 kbit/s, two encoders left the same bits unused after at most 86 frames, of all sounds that were tried; at
    lower rates, this may take longer than a run-in. Frames of a variable bit rate need no reservoir: they are repacked.
    """
    return bitrate is not None and bitrate > MAX_BITRATE_WITHOUT_RESERVOIR


class Pipeline:
    """A running decoder and its encoders, each of which writes a file in `folder`.

    `pipes` are further file descriptors that the plan's filters write.
    """

    def __init__(  # noqa: PLR0913 - the decoder's input and the encoders' output
        self,
        url: str,
        plan: Plan,
        partition: Partition,
        folder: Path,
        settings: Settings,
        *,
        stdin: int = DEVNULL,
        pipes: Sequence[int] = (),
    ) -> None:
        self._partition = partition
        self._is_repacked = plan.bitrate is None
        self._files = [folder / f"part{worker}.mp3" for worker in range(partition.workers)]
        self._ends: list[int] = []
        self._failed = False
        for file in self._files:
            file.unlink(missing_ok=True)
        parts = [os.pipe() for _ in self._files]
        filters = f"[0:{plan.track.index}]{','.join(plan.filters)},aformat=flt[in];{partition.filters()}"
        outputs = [part for worker, (_, out) in enumerate(parts) for part in self._pipe_args(worker, out)]
        decoder_args = [*input_args(url, plan.lead), "-filter_complex", filters, *outputs]
        reservoir = () if uses_reservoir(plan.bitrate) else NO_RESERVOIR
        encoder_args = ["-f", "nut", "-i", "pipe:0", *plan.encoder_args, *reservoir, *plan.format.container_args()]
        with ExitStack() as started, ExitStack() as inherited:
            for end in chain(*parts):
                inherited.callback(os.close, end)
            reads = Access(server=server_address(url))
            outs = [*pipes, *(out for _, out in parts)]
            self._decoder = Ffmpeg(decoder_args, settings, reads, stdin=stdin, pipes=outs)
            started.callback(self._decoder.close)
            self._encoders = []
            for file, (into, _) in zip(self._files, parts, strict=True):
                self._encoders.append(Ffmpeg([*encoder_args, "-y", str(file)], settings, Access(folder), stdin=into))
                started.callback(self._encoders[-1].close)
            started.pop_all()

    @property
    def samples(self) -> int:
        """Return the length of the sound in samples per channel, once all processes have ended."""
        return max(self._ends, default=0)

    def kill(self) -> None:
        """Kill all processes; may be called from any thread."""
        for ffmpeg in (self._decoder, *self._encoders):
            ffmpeg.kill()

    def close(self) -> None:
        """Kill the processes that still run, and release their resources."""
        for ffmpeg in (self._decoder, *self._encoders):
            ffmpeg.close()

    def wait(self, on_progress: OnProgress | None = None) -> Outcome:
        """Return the decoder's outcome. If an encoder is killed, all processes are, and the outcome has its status."""
        killed: list[int] = []

        def wait_for_encoder(encoder: Ffmpeg) -> int:
            outcome = encoder.wait()
            self._failed = self._failed or outcome.status != 0
            if outcome.status < 0:
                killed.append(outcome.status)
                self.kill()
            return read_encoded(outcome.report)

        with ThreadPoolExecutor(len(self._encoders)) as pool:
            encoded = [pool.submit(wait_for_encoder, encoder) for encoder in self._encoders]
            try:
                outcome = self._decoder.wait(on_progress)
            except BaseException:
                self.kill()
                raise
        self._ends = [self._partition.end(worker, samples.result()) for worker, samples in enumerate(encoded)]
        return replace(outcome, status=killed[0]) if killed else outcome

    def write(self, output: Path) -> None:
        """Join all parts into an MP3, in as few bytes as possible; raises NotJoined or NotMp3."""
        with self.joined() as (header, parts), output.open("wb") as mp3:
            sizes, crc = array("H"), 0
            mp3.write(header.data)
            for frame in repack(parts) if self._is_repacked else parts:
                mp3.write(frame)
                sizes.append(len(frame))
                crc = crc16.arc(frame, crc)
            mp3.seek(0)
            mp3.write(header.for_frames(sizes, self.samples, crc).data)

    @contextmanager
    def joined(self) -> Iterator[tuple[HeaderFrame, Iterator[bytes]]]:
        """Yield a part's header frame and the joined frames, not repacked; iterating them may raise NotJoined, too."""
        if not all(file.exists() for file in self._files):
            raise NotJoined("less sound than the container declares")
        if self._failed:
            raise NotJoined("an encoder failed")
        with ExitStack() as stack:
            streams = [read_frames(stack.enter_context(file.open("rb"))) for file in self._files]
            headers = [HeaderFrame.of(next(stream, b"")) for stream in streams]
            yield headers[0], join_frames(streams, self._partition, self.samples)

    def _pipe_args(self, worker: int, pipe: int) -> list[str]:
        """Return the arguments that write a part to a pipe, with a queue so that decoding does not wait."""
        size = str((self._partition.block + 2 * self._partition.run_in) // UNIT)
        return ["-map", f"[out{worker}]", "-thread_queue_size", size, "-c:a", "pcm_f32le", "-f", "nut", f"pipe:{pipe}"]
