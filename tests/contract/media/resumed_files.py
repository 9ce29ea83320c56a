"""A row of a resumable upload, and requests that continue it, for the tests of the stores."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from soundlift.common.errors import UploadSuperseded
from soundlift.common.media import MediaInfo, MediaStore, new_media_id
from soundlift.common.media.resumable import ResumableWriter, resumable_files

INFO = MediaInfo("ada@example.org", "a.mp4", "video/mp4", "0" * 24)


class Killed(BaseException):
    """The end of a process, which runs no handler of the code that it interrupts."""


@dataclass
class Row:
    """The row of an upload: all that survives a process."""

    store: MediaStore
    expected_bytes: int = 2**30
    fid: str = field(default_factory=new_media_id)
    offset: int = 0
    epoch: int = 0
    state: str | None = None

    def begin(self) -> None:
        """Begin the file, unless the row shows that it has been."""
        if self.state is None:
            self.state = resumable_files(self.store).begin(self.fid, INFO, expected_bytes=self.expected_bytes)

    def request(self) -> Request:
        """Return a request that continues the file."""
        self.begin()
        self.epoch += 1
        return Request(self)

    def append(self, data: bytes, *, last: bool = False) -> None:
        """Continue the file by one request, which ends well."""
        request = self.request()
        request.write(data)
        request.commit(last=last)
        request.writer.close(discard=False)

    def finish(self) -> None:
        """Finish the file."""
        assert self.state is not None
        resumable_files(self.store).finish(self.fid, self.state, INFO, size=self.offset)

    def content(self) -> bytes:
        """Return the bytes of the finished file."""
        with self.store.open(self.fid).file as file:
            return file.read()


class Request:
    """A request that writes under its epoch."""

    def __init__(self, row: Row) -> None:
        assert row.state is not None
        self.row = row
        self.epoch = row.epoch
        self.writer: ResumableWriter = resumable_files(row.store).resume(
            row.fid, row.state, offset=row.offset, epoch=row.epoch, save=self.save
        )
        self.position = row.offset

    def save(self, state: str) -> None:
        if self.row.epoch != self.epoch:
            raise UploadSuperseded
        self.row.state = state

    def write(self, data: bytes, *, block: int = 2**20) -> None:
        """Write bytes in blocks, with a checkpoint whenever one is due."""
        for start in range(0, len(data), block):
            part = data[start : start + block]
            self.writer.write(part)
            self.position += len(part)
            if self.position - self.row.offset >= self.writer.checkpoint_bytes:
                self.commit(complete=False)

    def commit(self, *, complete: bool = True, last: bool = False) -> None:
        checkpoint = self.writer.checkpoint(complete=complete, last=last)
        self.save(checkpoint.state)
        assert checkpoint.offset >= self.row.offset, "acknowledged bytes are never taken back"
        assert not complete or checkpoint.offset == self.position
        self.row.offset = checkpoint.offset
        self.writer.committed()

    def wake_up(self, data: bytes) -> None:
        """Go on like a process that was suspended, in every way that it may, until it notices."""
        with suppress(UploadSuperseded):
            self.write(data)
            self.commit()
        self.writer.close(discard=True)
