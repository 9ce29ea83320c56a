"""A mistyped data folder is an error, and never becomes a new deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run

pytestmark = pytest.mark.servers

PASSWORD = "a long password\n"
READING = [("user", "list"), ("user", "remove", "a@example.org"), ("user", "passwd", "a@example.org"), ("dead", "list")]


@pytest.mark.parametrize("arguments", [*READING, ("user", "add", "a@example.org"), ("migrate",)])
def test_a_folder_that_does_not_exist_is_refused_and_not_created(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    folder = tmp_path / "typo"
    for ended in (
        run(*arguments, "--data", str(folder), stdin=PASSWORD),
        run(*arguments, stdin=PASSWORD, SOUNDLIFT_DATA=str(folder)),
    ):
        assert ended.returncode == 1
        assert ended.stderr == (
            f"soundlift: There is no Soundlift in the data folder {folder}. Check --data and SOUNDLIFT_DATA, or start "
            "one there with `soundlift up`.\n"
        )
    assert not folder.exists()


@pytest.mark.parametrize("arguments", READING)
def test_a_folder_without_a_deployment_stays_as_it_is(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, stdin=PASSWORD).returncode == 1
    assert not list((tmp_path / "data").iterdir())


def test_the_first_account_may_be_added_before_the_first_start(run: Run, tmp_path: Path) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "share"), "HOME": str(tmp_path / "home")}
    assert run("user", "add", "a@example.org", "--data", "data", stdin=PASSWORD).returncode == 0
    assert run("user", "list", "--data", "data").stdout == "a@example.org\n"
    assert run("user", "list", SOUNDLIFT_DATA=str(tmp_path / "data"), **home).stdout == "a@example.org\n"


def test_a_database_that_is_none_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "soundlift.db").write_text("not a database " * 100)
    ended = run("user", "list")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "The database file is damaged, or not a database: restore it from a backup" in ended.stderr
