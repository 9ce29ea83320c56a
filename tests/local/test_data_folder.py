"""The data folder is private to its owner, and holds one secret that never changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings
from soundlift.local.data_folder import check_access, prepare_data_folder

OTHERS = 0o077
OPEN_FOLDERS = ("media/videos", "media/mp3s", "mail/new", "logs", "secrets")
OPEN_FILES = ("soundlift.db", "soundlift.db-wal", "queue.db", "media/videos/1", "mail/new/1", "logs/gateway.log")


@pytest.fixture(autouse=True)
def _usual_umask(_umask_stays: None) -> None:
    os.umask(0o022)


def fill_open_folder(folder: Path) -> None:
    """Create a data folder with the permissions of a usual umask."""
    for name in OPEN_FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in OPEN_FILES:
        (folder / name).touch()
    folder.chmod(0o755)
    assert all(path.stat().st_mode & OTHERS for path in folder.rglob("*"))


def open_paths(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & OTHERS]


def test_a_data_folder_that_others_can_read_becomes_private_with_its_contents(tmp_path: Path) -> None:
    fill_open_folder(tmp_path)
    (tmp_path / "lost+found").mkdir(mode=0o700)
    prepare_data_folder(tmp_path)
    assert open_paths(tmp_path) == []


def test_files_created_afterwards_are_private_to_the_owner(tmp_path: Path) -> None:
    prepare_data_folder(tmp_path / "new")
    (tmp_path / "new" / "media").mkdir()
    (tmp_path / "new" / "media" / "1").touch()
    assert open_paths(tmp_path / "new") == []


def test_an_open_folder_with_unrelated_files_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    fill_open_folder(tmp_path)
    (tmp_path / "Documents").mkdir()
    before = {path: path.stat().st_mode for path in (tmp_path, *tmp_path.rglob("*"))}
    with pytest.raises(SettingError, match=r"Documents\. Choose a separate folder, or run chmod 700") as refused:
        prepare_data_folder(tmp_path)
    assert str(tmp_path) in refused.value.detail
    assert {path: path.stat().st_mode for path in (tmp_path, *tmp_path.rglob("*"))} == before


def test_a_private_folder_may_contain_unrelated_files_which_are_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "Documents").mkdir()
    tmp_path.chmod(0o700)
    prepare_data_folder(tmp_path)
    assert open_paths(tmp_path) == [tmp_path / "Documents"]


def test_a_data_folder_behind_a_symlink_becomes_private(tmp_path: Path) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    fill_open_folder(data)
    link.symlink_to(data)
    prepare_data_folder(link)
    assert open_paths(data) == []


def test_an_open_folder_with_unrelated_files_behind_a_symlink_is_refused(tmp_path: Path) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    fill_open_folder(data)
    (data / "Documents").mkdir()
    link.symlink_to(data)
    before = open_paths(data)
    with pytest.raises(SettingError, match=r"contains files that are not Soundlift's, such as Documents"):
        prepare_data_folder(link)
    assert open_paths(data) == before


def test_the_target_of_a_symlink_in_a_data_folder_is_left_unchanged(tmp_path: Path) -> None:
    elsewhere, data = tmp_path / "elsewhere", tmp_path / "data"
    (elsewhere / "videos").mkdir(parents=True)
    data.mkdir()
    (data / "media").symlink_to(elsewhere)
    prepare_data_folder(data)
    assert open_paths(elsewhere) == [elsewhere, elsewhere / "videos"]


@pytest.fixture
def folder_of_root() -> Iterator[Path]:
    """Return a data folder that belongs to root and is open to all, while this process runs as the user nobody."""
    folder = Path(tempfile.mkdtemp())
    fill_open_folder(folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    os.seteuid(65534)
    yield folder
    os.seteuid(0)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_open_folder_of_another_user_is_refused(folder_of_root: Path) -> None:
    with pytest.raises(SettingError, match="only its owner can change that"):
        prepare_data_folder(folder_of_root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_this_user_may_not_enter_is_refused(folder_of_root: Path) -> None:
    (folder_of_root / "closed").mkdir(mode=0)
    with pytest.raises(SettingError, match="closed/data cannot be used: Permission denied"):
        check_access(folder_of_root / "closed" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_secret_that_this_user_may_not_read_is_named(folder_of_root: Path) -> None:
    (folder_of_root / "secrets" / "jwt-secret").touch(0)
    with pytest.raises(SettingError, match=r"Setting JWT_SECRET: the secret file .* cannot be read: Permission denied"):
        Settings.from_environment({"SECRETS_FOLDER": str(folder_of_root / "secrets")})


def test_a_second_start_keeps_the_secret(tmp_path: Path) -> None:
    prepare_data_folder(tmp_path)
    secret = (tmp_path / "secrets" / "jwt-secret").read_text()
    prepare_data_folder(tmp_path)
    assert (tmp_path / "secrets" / "jwt-secret").read_text() == secret


@pytest.mark.unprivileged
@pytest.mark.parametrize("name", ["soundlift.db", "queue.db"])
def test_a_read_only_database_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    prepare_data_folder(tmp_path)
    (tmp_path / name).touch(0o400)
    with pytest.raises(SettingError, match=f"cannot be used: {name} is read-only"):
        prepare_data_folder(tmp_path)


def test_concurrent_starts_agree_on_one_secret(tmp_path: Path) -> None:
    def prepare(_: int) -> str:
        prepare_data_folder(tmp_path)
        return (tmp_path / "secrets" / "jwt-secret").read_text()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(prepare, range(8)))) == 1
    assert [file.name for file in (tmp_path / "secrets").iterdir()] == ["jwt-secret"]
