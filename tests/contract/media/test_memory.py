"""Memory of the process that uses a media store."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.contract.media.medium import Medium

STREAM = """
import re, resource, sys
from pathlib import Path
from soundlift.common.media import MediaInfo, open_media
store = open_media(sys.argv[1], "videos")
def copy(size, fid):
    writer = store.create(fid, MediaInfo("o", "f", "t", "j"))
    for _ in range(size // 2**18):
        writer.write(bytes(2**18))
    writer.commit()
    with store.open(fid).file as file:
        while file.read(2**18):
            pass
    return peak()
def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    # ru_maxrss starts at the peak of the parent process.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
small = copy(2**24, "a" * 24)
print(copy(int(sys.argv[2]), "b" * 24) - small)
store.delete("b" * 24)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_size_of_the_file(medium: Medium) -> None:
    result = subprocess.run(
        [sys.executable, "-c", STREAM, medium.url, str(medium.max_file_bytes)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(result.stdout) < 8 * 1024
