"""The pipe through which FFmpeg lists the packets of a track, which are read while FFmpeg still runs."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from ..plan.plan import UNKNOWN_RATE
from ..probe.audio_track import AudioTrack
from ..probe.packets import Packets, packet_list_args, read_packets


class PacketPipe:
    """A pipe that FFmpeg writes, and a thread that reads it until `packets` is called."""

    def __init__(self, track: AudioTrack) -> None:
        reading, self.pipe = os.pipe()
        self._is_open = True
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="packets")
        self._packets = self._executor.submit(_read, reading, track.codec, track.rate or UNKNOWN_RATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        self._executor.shutdown()

    @property
    def args(self) -> list[str]:
        """Return FFmpeg's arguments."""
        return packet_list_args(f"pipe:{self.pipe}")

    def packets(self) -> Packets:
        """Return the packets when FFmpeg has ended."""
        self._close()
        return self._packets.result()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self.pipe)


def _read(pipe: int, codec: str, rate: int) -> Packets:
    with open(pipe, "rb") as lines:
        return read_packets(lines, codec, rate)
