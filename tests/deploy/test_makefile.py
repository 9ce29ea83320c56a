"""Values passed to make are file names, words or folders, and are never executed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORD = """#!/bin/sh
printf '%s\\0' "$@" > arguments
"""
NAMES = [
    "own video.mp4",
    "a `touch broken` $(touch broken) ${HOME}.mp4",
    "$(shell touch broken) $(info broken) $(HOME) $$ $$(touch broken) $.mp4",
    """a" touch broken "; touch broken; ' touch broken ' #\\.mp4""",
    "a && touch broken | touch broken > broken & *.mp4",
    "-h",
    "line\nbreak.mp4",
]


class Checkout:
    """A folder with the Makefile and with tools that record their arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "Makefile", folder)
        tools = folder / ".venv" / "bin"
        tools.mkdir(parents=True)
        for name in ("soundlift", "python"):
            (tools / name).write_text(RECORD)
            (tools / name).chmod(0o755)
        made = ("pyproject.toml", "constraints.txt", *(f".venv/{name}" for name in ("made", "ready")))
        built = ("build/ferretdb", *(f".venv/ready-to-{name}" for name in ("develop", "bench", "mutate")))
        for seconds, name in enumerate((*made, *built)):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
            os.utime(folder / name, (seconds, seconds))

    def make(self, *arguments: str, **environment: str) -> list[str]:
        """Run a target and return the arguments of its tool."""
        made = subprocess.run(
            ["make", *arguments],
            check=False,
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr
        assert not (self.folder / "broken").exists()
        assert "broken" not in made.stdout
        return (self.folder / "arguments").read_text().split("\0")[:-1]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_any_video_name_is_passed_to_the_demo_unchanged(checkout: Checkout, name: str) -> None:
    assert checkout.make("demo", f"VIDEO={name}") == ["demo", "--", name]
    assert checkout.make("demo", VIDEO=name) == ["demo", "--", name]


def test_the_demo_needs_no_video(checkout: Checkout) -> None:
    assert checkout.make("demo") == ["demo", "--"]


@pytest.mark.parametrize("name", NAMES)
def test_any_folder_name_is_passed_to_the_corpus_unchanged(checkout: Checkout, name: str) -> None:
    assert checkout.make("corpus", f"DIR={name}")[-1] == name


@pytest.mark.parametrize("name", NAMES)
def test_a_base_image_is_one_word_and_image_names_are_split_into_words(checkout: Checkout, name: str) -> None:
    called = ["deploy/images/build.py", "--base", name, "login", "$(touch", "broken)", "*"]
    assert checkout.make("images", f"BASE_IMAGE={name}", "ONLY=login $(touch broken) *") == called


def test_row_names_are_split_into_words(checkout: Checkout) -> None:
    called = ["-m", "bench", "convert-ten-minutes", "`touch", "broken`", ";touch", "broken", "*"]
    assert checkout.make("bench", "ONLY=convert-ten-minutes `touch broken` ;touch broken *") == called


def test_modules_to_mutate_are_split_into_words_and_limits_are_one_word_each(checkout: Checkout) -> None:
    assert checkout.make("mutate") == ["-m", "tests.mutation", "--"]
    called = ["-m", "tests.mutation", "--sample", "0 `touch broken`", "--minutes", "$(touch broken)", "--", "jobs", "*"]
    assert checkout.make("mutate", "ONLY=jobs *", "SAMPLE=0 `touch broken`", "MINUTES=$(touch broken)") == called


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_python_is_reported_by_its_name(checkout: Checkout, name: str) -> None:
    (checkout.folder / ".venv" / "made").unlink()
    made = subprocess.run(
        ["make", "demo", f"PYTHON={name}"], check=False, cwd=checkout.folder, capture_output=True, text=True
    )
    assert made.returncode == 2
    assert f"there is no {name}." in made.stderr
    assert not (checkout.folder / "broken").exists()


def lint(checkout: Checkout, *programs: str) -> subprocess.CompletedProcess[str]:
    """Run lint with the named programs on PATH, each of which succeeds and prints its arguments."""
    path = checkout.folder / "path"
    path.mkdir(exist_ok=True)
    for tool in [*programs, *(f"../.venv/bin/{name}" for name in ("ruff", "mypy", "lint-imports"))]:
        (path / tool).write_text(f'#!/bin/sh\necho "{tool} $*"\n')
        (path / tool).chmod(0o755)
    make = shutil.which("make")
    assert make is not None
    environment = {"PATH": str(path), "HOME": str(checkout.folder)}
    return subprocess.run(
        [make, "lint"], check=False, cwd=checkout.folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("programs", [[], ["node"], ["npm"]])
def test_lint_says_that_it_skips_the_page_s_types_without_node_and_npm(checkout: Checkout, programs: list[str]) -> None:
    made = lint(checkout, *programs)
    assert made.returncode == 0, made.stderr
    assert made.stdout.endswith("are not checked, because node or npm is not installed.\n")


def test_lint_installs_the_checker_of_the_page_s_types_once(checkout: Checkout) -> None:
    made = lint(checkout, "node", "npm")
    assert "npm install" in made.stdout
    assert made.returncode != 0, "the npm of this test has installed nothing"
    (installed,) = [word for word in made.stdout.split() if word.startswith("build/typescript")][:1]
    checker = checkout.folder / installed / "node_modules" / ".bin" / "tsc"
    checker.parent.mkdir(parents=True)
    checker.write_text('#!/bin/sh\necho "tsc $*"\n')
    checker.chmod(0o755)
    made = lint(checkout, "node", "npm")
    assert made.returncode == 0, made.stderr
    assert made.stdout.endswith("tsc --project functions/web\n")
    assert "npm install" not in made.stdout
