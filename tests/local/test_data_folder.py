"""Makes data folders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from soundlift.local.data_folder import make_data_folder


def test_a_second_start_keeps_the_secret(tmp_path: Path) -> None:
    make_data_folder(tmp_path)
    secret = (tmp_path / "secrets" / "jwt-secret").read_text()
    make_data_folder(tmp_path)
    assert (tmp_path / "secrets" / "jwt-secret").read_text() == secret


def test_of_several_at_once_one_makes_the_secret_and_all_find_it(tmp_path: Path) -> None:
    def make(_: int) -> str:
        make_data_folder(tmp_path)
        return (tmp_path / "secrets" / "jwt-secret").read_text()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(8)))) == 1
    assert [file.name for file in (tmp_path / "secrets").iterdir()] == ["jwt-secret"]
