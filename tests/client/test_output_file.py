"""An output appears complete, replaces nothing unless asked to, and never replaces a symbolic link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soundlift.client.output_file import PartialFile, check_output, move_to_new_name

KEY = "a download"


def _make(folder: Path, kind: str) -> Path:
    path = folder / "a.mp3"
    match kind:
        case "file":
            path.write_bytes(b"old")
        case "link":
            (folder / "other.mp3").write_bytes(b"other")
            path.symlink_to(folder / "other.mp3")
        case "dangling link":
            path.symlink_to(folder / "none.mp3")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    return path


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
@pytest.mark.parametrize("replace", [False, True])
def test_only_a_regular_file_is_ever_replaced(tmp_path: Path, kind: str, replace: bool) -> None:
    path = _make(tmp_path, kind)
    with pytest.raises(OSError, match=str(path)):
        check_output(path, replace=replace)
    with PartialFile(path, KEY, "1") as partial, pytest.raises(OSError, match=str(path)):
        partial.publish(path, replace=replace)
    assert not (tmp_path / "none.mp3").exists()
    if kind == "link":
        assert (path.is_symlink(), path.read_bytes()) == (True, b"other")


def test_a_file_is_replaced_only_if_asked(tmp_path: Path) -> None:
    path = _make(tmp_path, "file")
    with pytest.raises(FileExistsError):
        check_output(path, replace=False)
    for replace in (False, True):
        with PartialFile(path, KEY, "1") as partial:
            partial.file.write(b"new")
            if replace:
                partial.publish(path, replace=True)
            else:
                with pytest.raises(FileExistsError):
                    partial.publish(path, replace=False)
                assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_after_the_check_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    check_output(path, replace=False)
    with PartialFile(path, KEY, "1") as partial:
        path.write_bytes(b"of another program")
        with pytest.raises(FileExistsError):
            partial.publish(path, replace=False)
    assert path.read_bytes() == b"of another program"


def test_a_file_is_moved_only_to_a_name_that_is_free(tmp_path: Path) -> None:
    new, path = tmp_path / "new", _make(tmp_path, "file")
    new.write_bytes(b"new")
    with pytest.raises(FileExistsError, match=str(path)):
        move_to_new_name(new, path)
    assert (new.read_bytes(), path.read_bytes()) == (b"new", b"old")
    path.unlink()
    move_to_new_name(new, path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == {path: b"new"}


def test_the_reason_why_a_link_stays_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="A symbolic link is not replaced"):
        check_output(_make(tmp_path, "link"), replace=True)


@pytest.mark.parametrize(
    ("name", "error"),
    [("none/a.mp3", FileNotFoundError), ("file/a.mp3", OSError), (f"{'a' * 300}.mp3", OSError), ("a\0.mp3", OSError)],
)
def test_a_path_that_cannot_be_created_is_an_error_before_anything_is_sent(
    tmp_path: Path, name: str, error: type[OSError]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(error):
        check_output(tmp_path / name, replace=False)


@pytest.mark.unprivileged
def test_a_folder_that_is_not_writable_is_an_error_before_anything_is_sent(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        check_output(tmp_path / "a.mp3", replace=False)
    tmp_path.chmod(0o700)


def test_two_downloads_of_the_same_file_do_not_write_into_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with PartialFile(path, KEY, "1") as first, PartialFile(path, KEY, "1") as second:
        first.file.write(b"one")
        second.file.write(b"two")
        assert first.path != second.path
        first.publish(path, replace=False)
        second.publish(path, replace=True)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_partial_file_of_somebody_else_is_not_continued(tmp_path: Path) -> None:
    path, victim = tmp_path / "a.mp3", tmp_path / "victim"
    victim.write_bytes(b"untouched")
    with PartialFile(path, KEY, "1") as partial:
        name = partial.path
    for plant in (name.symlink_to, name.hardlink_to):
        plant(victim)
        with PartialFile(path, KEY, "1") as partial:
            partial.file.write(b"new")
            assert partial.path != name
        name.unlink()
    assert victim.read_bytes() == b"untouched"


def test_the_part_of_an_older_version_is_removed_unless_it_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    old = PartialFile(path, KEY, "1")
    old.file.write(b"old")
    with PartialFile(path, KEY, "2") as new:
        new.remove_older(KEY)
        assert old.path.exists()
        old.close(keep=True)
        new.remove_older(KEY)
        assert not old.path.exists()
    assert list(tmp_path.iterdir()) == []
