"""The upload of a finished audio file to the media store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions.convert.output.store import BLOCK, store_audio
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.services import Services
from tests.convert.outcome import finished_mp3, stored_mp3s
from tests.factories.jobs import queued_job


class _RecordingStore:
    """A media store that records what is created in it, and the sizes of writes."""

    def __init__(self, services: Services) -> None:
        self._mp3s = services.mp3s
        self.created: list[tuple[str, MediaInfo]] = []
        self.writes: list[int] = []

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        self.created.append((fid, info))
        writer, writes = self._mp3s.create(fid, info), self.writes

        class Writer:
            abort, commit = writer.abort, writer.commit

            def write(self, data: bytes, /) -> int:
                writes.append(len(data))
                return writer.write(data)

        return Writer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mp3s, name)


@dataclass
class _LimitedHeartbeat:
    """A heartbeat that loses its claim after `left` checks."""

    left: int

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ClaimLost


def test_an_mp3_is_stored_in_blocks_with_its_name_type_and_owner(services: Services, tmp_path: Path) -> None:
    job, content, store = queued_job(services, name="My film.mp4"), os.urandom(2 * BLOCK + 1), _RecordingStore(services)
    services.mp3s = store
    heartbeat: Any = _LimitedHeartbeat(100)
    store_audio(job, finished_mp3(tmp_path, content), "a" * 24, heartbeat, services)
    with services.mp3s.open("a" * 24).file as file:
        assert file.read() == b"tag" + content
    assert store.created == [("a" * 24, MediaInfo("ada@example.org", "My film.mp3", "audio/mpeg", job.id))]
    assert store.writes == [3, BLOCK, BLOCK, 1]
    assert heartbeat.left == 97


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_an_mp3_whose_claim_is_lost_is_not_stored(services: Services, tmp_path: Path, blocks: int) -> None:
    heartbeat: Any = _LimitedHeartbeat(blocks)
    with pytest.raises(ClaimLost):
        store_audio(queued_job(services), finished_mp3(tmp_path, bytes(3 * BLOCK)), "a" * 24, heartbeat, services)
    assert stored_mp3s(services) == []
