"""Gives the contract suites one adapter after another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.medium import Medium


@pytest.fixture
def folder_medium(tmp_path: Path) -> Medium:
    root, away = tmp_path / "media", tmp_path / "away"
    root.mkdir()

    def go_away() -> None:
        root.rename(away)
        root.write_text("a file where the folder should be")

    def come_back() -> None:
        root.unlink()
        away.rename(root)

    return Medium(root.as_uri(), go_away, come_back)
