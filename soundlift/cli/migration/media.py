"""The copying of all files from one media store to another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from soundlift.common.db.engine import Database
from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.jobs.document import audio_format, audio_name
from soundlift.common.jobs.files import jobs_of_files
from soundlift.common.jobs.model import Job
from soundlift.common.media import ListedFile, MediaInfo, MediaStore, list_files
from soundlift.common.media.inventory import Inventory, in_pages, take_inventory

CHUNK = 2**20
THREADS = 4
PAGE = 100


@dataclass
class CopiedFiles:
    """How many files of a bucket were copied, were in the target already, disappeared meanwhile, or have no job."""

    bucket: str
    copied: int = 0
    copied_bytes: int = 0
    present: int = 0
    gone: int = 0
    without_job: int = 0


@dataclass(frozen=True)
class MediaCopy:
    """The copying of one bucket; `database` has the jobs that the files belong to."""

    bucket: str
    source: MediaStore
    target: MediaStore
    database: Database

    def run(self) -> Iterator[CopiedFiles]:
        """Copy the committed files that a job names, and yield the counts so far after every page.

        A file that the target has with the same size is complete, since no store shows an unfinished one. Raises
        StoreUnavailable.
        """
        counts = CopiedFiles(self.bucket)
        inventory = take_inventory(list_files(self.target))
        try:
            with ThreadPoolExecutor(THREADS) as pool:
                for page in in_pages(list_files(self.source), PAGE):
                    self._copy_page(page, inventory, counts, pool)
                    yield counts
        finally:
            inventory.close()

    def missing(self) -> int:
        """Return how many files that a job names the target does not have, or has with another size."""
        inventory = take_inventory(list_files(self.target))
        try:
            return sum(len(self._wanted(page, inventory)[0]) for page in in_pages(list_files(self.source), PAGE))
        finally:
            inventory.close()

    def _copy_page(
        self, page: list[ListedFile], inventory: Inventory, counts: CopiedFiles, pool: ThreadPoolExecutor
    ) -> None:
        wanted, named = self._wanted(page, inventory)
        committed = sum(file.committed for file in page)
        counts.without_job += committed - named
        counts.present += named - len(wanted)
        begun = inventory.unfinished([file.fid for file in page])
        for size in pool.map(lambda item: self._copy(*item, begun=item[0].fid in begun), wanted):
            if size is None:
                counts.gone += 1
            else:
                counts.copied += 1
                counts.copied_bytes += size

    def _wanted(self, page: list[ListedFile], inventory: Inventory) -> tuple[list[tuple[ListedFile, Job]], int]:
        """Return the files that the target needs, with their jobs; and how many of the page a job names."""
        fids = [file.fid for file in page if file.committed]
        jobs, sizes = jobs_of_files(self.database, self.bucket, fids), inventory.sizes(fids)
        named = [file for file in page if file.committed and file.fid in jobs]
        return [(file, jobs[file.fid]) for file in named if sizes.get(file.fid) != file.size], len(named)

    def _copy(self, file: ListedFile, job: Job, *, begun: bool) -> int | None:
        """Copy a file, read it again to compare the checksums, and return its size; None if it has disappeared."""
        try:
            reader = self.source.open(file.fid)
        except MediaNotFound:
            return None
        if begun:
            self.target.delete(file.fid)  # what an interrupted run has written of it
        writer = self.target.create(file.fid, self._info(job))
        checksum = hashlib.sha256()
        try:
            with reader.file:
                while data := reader.file.read(CHUNK):
                    checksum.update(data)
                    writer.write(data)
            size = writer.commit()
        except BaseException:
            writer.abort()
            raise
        if size != reader.size or _checksum(self.target, file.fid) != checksum.digest():
            self.target.delete(file.fid)
            raise StoreUnavailable(f"The copy of {self.bucket}/{file.fid} differs from it. Run the command again.")
        return size

    def _info(self, job: Job) -> MediaInfo:
        """Return the same metadata as upload and convert store."""
        if self.bucket == "videos":
            return MediaInfo(job.username, job.file_name, job.content_type, job.id)
        return MediaInfo(job.username, audio_name(job), audio_format(job).media_type, job.id)


def _checksum(store: MediaStore, fid: str) -> bytes:
    checksum = hashlib.sha256()
    with store.open(fid).file as file:
        while data := file.read(CHUNK):
            checksum.update(data)
    return checksum.digest()
