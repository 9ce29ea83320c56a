"""What a killed program leaves mounted in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devservers.mounts import CONTAINED, mounted_below, remove_folder

KILL_SECONDS = 30

Mount = Callable[[Path], None]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Return a function that mounts a file system in memory on a new folder, unless this machine forbids that."""

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=False, capture_output=True)
        if mounted.returncode:
            pytest.skip(f"this machine does not permit to mount: {mounted.stderr.decode()}")

    yield mount
    for point in mounted_below(tmp_path):
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def test_a_folder_is_unmounted_before_it_is_removed(tmp_path: Path, mount: Mount) -> None:
    folder = tmp_path / "a base"
    mount(folder / "proc")
    mount(folder / "proc" / "inner")
    assert mounted_below(folder) == [folder / "proc" / "inner", folder / "proc"]
    remove_folder(folder)
    assert mounted_below(tmp_path) == []
    assert not folder.exists()


def test_nothing_is_deleted_that_cannot_be_unmounted(tmp_path: Path, mount: Mount) -> None:
    mount(tmp_path / "base" / "proc")
    kept = tmp_path / "base" / "proc" / "file"
    with kept.open("w"), pytest.raises(subprocess.CalledProcessError):
        remove_folder(tmp_path / "base")
    assert kept.exists()
    remove_folder(tmp_path / "base")


def test_a_contained_program_that_is_killed_leaves_no_process_and_no_mount(tmp_path: Path) -> None:
    script = 'mount -t tmpfs none "$0"; echo mounted; sleep 600'
    with subprocess.Popen([*CONTAINED, "sh", "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"mounted\n"
        program.kill()
        assert program.communicate(timeout=KILL_SECONDS)[0] == b""  # the end of all that have its output open
    assert mounted_below(tmp_path) == []


def test_a_folder_that_does_not_exist_is_removed(tmp_path: Path) -> None:
    remove_folder(tmp_path / "none")
