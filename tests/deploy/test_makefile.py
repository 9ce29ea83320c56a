"""Values passed to make are file names, words or folders, and are never executed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE_BY_MAKE = (
    *("PYTHON", "VIDEO", "ONLY", "BASE_IMAGE", "TRACES", "DIR", "SAMPLE", "MINUTES", "MAKEFLAGS", "MAKELEVEL"),
    "MFLAGS",
)
RECORD = """#!/bin/sh
printf '%s\\0' "$@" > arguments
"""
# The environment of a user's shell: if these tests run below make, it has passed its own variables on.
SHELL = {name: value for name, value in os.environ.items() if name not in MADE_BY_MAKE}
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
        made = ("pyproject.toml", "constraints.txt", *(f".venv/{name}" for name in ("interpreter", "made", "ready")))
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
            env={**SHELL, **environment},
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
    assert checkout.make("demo", f"VIDEO={name}") == ["demo", "--output", "build/demo", "--", name]
    assert checkout.make("demo", VIDEO=name) == ["demo", "--output", "build/demo", "--", name]


def test_the_demo_needs_no_video(checkout: Checkout) -> None:
    assert checkout.make("demo") == ["demo", "--output", "build/demo", "--"]


@pytest.mark.parametrize("name", NAMES)
def test_any_folder_name_is_passed_to_the_corpus_unchanged_before_the_formats(checkout: Checkout, name: str) -> None:
    called = ["-m", "tests.corpus", name, "flac", "$(touch", "broken)", "*"]
    assert checkout.make("corpus", f"DIR={name}", "FORMAT=flac $(touch broken) *") == called


@pytest.mark.parametrize("name", NAMES)
def test_a_base_image_is_one_word_and_image_names_are_split_into_words(checkout: Checkout, name: str) -> None:
    called = ["deploy/images/build.py", "--base", name, "login", "$(touch", "broken)", "*"]
    assert checkout.make("images", f"BASE_IMAGE={name}", "ONLY=login $(touch broken) *") == called


@pytest.mark.parametrize(("traces", "called"), [("true", ["--traces"]), ("false", []), ("$(touch broken)", [])])
def test_traces_are_added_to_the_images_on_request(checkout: Checkout, traces: str, called: list[str]) -> None:
    assert checkout.make("images", f"TRACES={traces}", "ONLY=login") == ["deploy/images/build.py", *called, "login"]


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


INTERPRETERS = """#!/bin/sh
case "$*" in
  *-m\\ venv*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo "$0" >> made ;;
  *sys.executable*) cat "$0.identity" 2>/dev/null || cat identity ;;
esac
"""


@pytest.mark.slow
def test_another_python_replaces_the_virtual_environment_and_the_same_one_keeps_it(tmp_path: Path) -> None:
    """A stand-in for Python records each environment that it makes; .venv/bin/python is a copy of it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    for name in ("one", "other"):
        (tmp_path / name).write_text(INTERPRETERS)
        (tmp_path / name).chmod(0o755)
        (tmp_path / f"{name}.identity").write_text(name)

    def make(*arguments: str) -> str:
        command = ["make", ".venv/made", *arguments]
        subprocess.run(command, cwd=tmp_path, env=SHELL, check=True)
        last = (tmp_path / "made").read_text().splitlines()
        (tmp_path / "identity").write_text(Path(last[-1]).name)
        return f"{len(last)} {Path(last[-1]).name}"

    assert make(f"PYTHON={tmp_path}/one") == "1 one"
    assert make(f"PYTHON={tmp_path}/one") == "1 one"
    assert make() == "1 one"
    assert make(f"PYTHON={tmp_path}/other") == "2 other"
    assert make() == "2 other"
    (tmp_path / ".venv" / "interpreter").unlink()
    assert make() == "2 other"
    assert make(f"PYTHON={tmp_path}/one") == "3 one"
