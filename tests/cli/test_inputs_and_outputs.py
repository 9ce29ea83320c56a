"""Files are found by name, folder and pattern, and their outputs are checked before anything is sent."""

from __future__ import annotations

import os
from contextlib import chdir
from pathlib import Path

import click
import pytest

from soundlift.cli.inputs import find_inputs
from soundlift.cli.outputs import Overwriting, plan
from soundlift.cli.safe_names import MAX_BYTES, safe_name

NEITHER = Overwriting(force=False, skip=False)
FILES = ("a.mp4", "b.MKV", "c.txt", "d.mp3", "folder/e.mov", "folder/.hidden.mp4", "folder/deep/f.ts", ".cache/g.mp4")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path) -> object:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with chdir(tmp_path):
        yield


def _found(*arguments: str, recursive: bool = False) -> list[str]:
    return [str(one.path) for one in find_inputs(arguments, recursive=recursive)]


def _targets(*arguments: str, output: str | None = None, file_format: str | None = None) -> list[str]:
    items = plan(find_inputs(arguments, recursive=True), output, file_format, NEITHER)
    return [str(item.target) for item in items]


def test_files_are_found_by_name_pattern_and_folder_and_each_only_once() -> None:
    assert _found("a.mp4", "c.txt") == ["a.mp4", "c.txt"]
    assert _found("*.m*", "a.mp4", "./a.mp4") == ["a.mp4", "d.mp3"]
    assert _found("**/*.mov") == ["folder/e.mov"]
    assert _found(".", recursive=True) == ["a.mp4", "b.MKV", "folder/deep/f.ts", "folder/e.mov"]
    assert _found("folder", "f*", recursive=True) == ["folder/deep/f.ts", "folder/e.mov"]
    assert [one.path for one in find_inputs(["-", "-"], recursive=False)] == [None]


def test_a_name_with_wildcards_is_the_file_if_there_is_one() -> None:
    Path("a[1].mp4").touch()
    Path("a1.mp4").touch()
    assert _found("a[1].mp4") == ["a[1].mp4"]


def test_a_file_is_found_through_a_link_but_a_folder_is_not_followed_in_circles() -> None:
    Path("folder/link.mp4").symlink_to("../a.mp4")
    Path("folder/parent").symlink_to("..")
    assert _found("folder", recursive=True) == ["folder/deep/f.ts", "folder/e.mov", "folder/link.mp4"]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("none.mp4", "The file none.mp4 does not exist."),
        ("*.webm", "No file matches *.webm."),
        ("folder", "folder is a folder; convert the videos in it with --recursive."),
    ],
)
def test_an_argument_that_stands_for_no_file_is_an_error(argument: str, sentence: str) -> None:
    with pytest.raises(click.UsageError) as error:
        find_inputs([argument], recursive=False)
    assert error.value.format_message() == sentence


def test_a_folder_without_a_video_is_an_error() -> None:
    Path("empty").mkdir()
    with pytest.raises(click.UsageError, match="no video in empty"):
        find_inputs(["empty"], recursive=True)


def test_outputs_are_named_after_their_files_and_keep_the_folders_below_a_folder() -> None:
    assert _targets("a.mp4", "folder") == ["a.mp3", "deep/f.mp3", "e.mp3"]
    Path("out").mkdir()
    assert _targets("a.mp4", "folder", output="out") == ["out/a.mp3", "out/deep/f.mp3", "out/e.mp3"]
    assert _targets("a.mp4", output="x.mp3") == ["x.mp3"]
    assert _targets("a.mp4", output="without-suffix") == ["without-suffix"]
    assert _targets("a.mp4", output="-") == ["None"]
    assert _targets("a.mp4", file_format="flac") == ["a.flac"]
    assert _targets("a.mp4", file_format="../x") == ["a.mp3"]


@pytest.mark.parametrize(
    ("arguments", "output", "sentence"),
    [
        (("a.mp4",), "x.wav", "x.wav has the suffix .wav, but the output is MP3."),
        (("a.mp4",), "x.MP4", "x.MP4 has the suffix .mp4, but the output is MP3."),
        (("a.mp4",), "d.mp3", "d.mp3 already exists. Overwrite it with --force, keep it with --skip-existing"),
        (("a.mp4", "b.MKV"), "x.mp3", "x.mp3 is not a folder; several files need one as their output."),
        (("a.mp4", "b.MKV"), "-", "- is not a folder"),
        (("-",), None, "Name the output of standard input with -o"),
        (("d.mp3",), None, "d.mp3 is the input itself."),
    ],
)
def test_an_output_that_does_not_fit_is_an_error(arguments: tuple[str, ...], output: str | None, sentence: str) -> None:
    with pytest.raises(click.UsageError) as error:
        plan(find_inputs(arguments, recursive=False), output, None, NEITHER)
    assert sentence in error.value.format_message()


def test_two_files_with_the_same_output_are_an_error() -> None:
    Path("A.mkv").touch()
    with pytest.raises(click.UsageError, match="have the same output"):
        plan(find_inputs(["a.mp4", "A.mkv"], recursive=False), None, None, NEITHER)


@pytest.mark.parametrize("output", ["none/x.mp3", "c.txt/x.mp3", "x" * 300, "link.mp3", "pipe"])
@pytest.mark.parametrize("force", [False, True])
def test_an_output_that_cannot_be_created_is_an_error(output: str, force: bool) -> None:
    Path("link.mp3").symlink_to("c.txt")
    os.mkfifo("pipe")
    with pytest.raises((OSError, click.UsageError)):
        plan(find_inputs(["a.mp4"], recursive=False), output, None, Overwriting(force=force, skip=False))
    assert Path("link.mp3").is_symlink()


def test_an_existing_output_is_skipped_or_overwritten_as_asked() -> None:
    Path("a.mp3").touch()
    inputs = find_inputs(["a.mp4", "b.MKV"], recursive=False)
    assert [item.skipped for item in plan(inputs, None, None, Overwriting(force=False, skip=True))] == [True, False]
    assert [item.skipped for item in plan(inputs, None, None, Overwriting(force=True, skip=False))] == [False, False]
    with pytest.raises(click.UsageError, match="not both"):
        Overwriting(force=True, skip=True)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd.mp3", "_.._etc_passwd.mp3"),
        ("/etc/cron.d/x.mp3", "_etc_cron.d_x.mp3"),
        ("..\\..\\x.mp3", "_.._x.mp3"),
        ("C:x.mp3", "C_x.mp3"),
        (".bashrc", "bashrc"),
        ("..", "audio"),
        ("", "audio"),
        ("a\x1b]0;title\x07b\n.mp3", "a_]0;title_b_.mp3"),
        ("a\u202egpj.mp3", "a_gpj.mp3"),
        ("\ud800.mp3", "_.mp3"),
        ("nul.mp3", "_nul.mp3"),
        ("Ünï 漢字.mp3", "Ünï 漢字.mp3"),
    ],
)
def test_a_name_from_a_stranger_never_leads_out_of_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_long_name_is_shortened_and_keeps_its_suffix() -> None:
    for name in ("a" * 500 + ".mp3", "漢" * 300 + ".mp3", "a." + "b" * 500):
        assert len(safe_name(name).encode()) <= MAX_BYTES
    assert safe_name("漢" * 300 + ".mp3").endswith("漢.mp3")
