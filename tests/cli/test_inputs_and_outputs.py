"""Files are found by name, folder and pattern, and their outputs are checked before anything is sent."""

from __future__ import annotations

import os
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import click
import pytest

from soundlift.cli.inputs import find_inputs
from soundlift.cli.outputs import Overwriting, plan, requested_format
from soundlift.cli.safe_names import MAX_BYTES, safe_name
from soundlift.client import Job, OtherFormat

NEITHER = Overwriting(force=False, skip=False)
AVI = b"RIFF\0\0\0\0AVI LIST"
FILES = ("a.mp4", "b.MKV", "c.txt", "d.mp3", "folder/e.mov", "folder/.hidden.mp4", "folder/deep/f.ts", ".cache/g.mp4")


@pytest.fixture
def job() -> Job:
    return Job.of({"job_id": "1", "state": "ready", "error": None, "created_at": "2020-01-01T00:00:00Z"})


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path) -> object:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(AVI)
    with chdir(tmp_path):
        yield


def _found(*arguments: str, recursive: bool = False) -> list[str]:
    return [str(one.path) for one in find_inputs(arguments, recursive=recursive).files]


def _targets(*arguments: str, output: str | None = None, file_format: str | None = None) -> list[str]:
    items = plan(find_inputs(arguments, recursive=True).files, output, file_format, NEITHER)
    return [str(item.target) for item in items]


def test_files_are_found_by_name_pattern_and_folder_and_each_only_once() -> None:
    assert _found("a.mp4", "c.txt") == ["a.mp4", "c.txt"]
    assert _found("*.m*", "a.mp4", "./a.mp4") == ["a.mp4", "d.mp3"]
    assert _found("**/*.mov") == ["folder/e.mov"]
    assert _found(".", recursive=True) == ["a.mp4", "b.MKV", "folder/deep/f.ts", "folder/e.mov"]
    assert _found("folder", "f*", recursive=True) == ["folder/deep/f.ts", "folder/e.mov"]
    assert [one.path for one in find_inputs(["-", "-"], recursive=False).files] == [None]


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
        ("empty", "There is no video in empty."),
        ("deep", "There is no video in deep, but 1 other file, 1 folder (--recursive includes them)."),
    ],
)
def test_an_argument_that_stands_for_no_file_is_an_error(argument: str, sentence: str) -> None:
    Path("empty").mkdir()
    Path("deep", "er").mkdir(parents=True)
    Path("deep", "sound.mp3").touch()
    with pytest.raises(click.UsageError) as error:
        find_inputs([argument], recursive=False)
    assert error.value.format_message() == sentence


def test_a_folder_stands_for_the_videos_in_it_and_with_recursive_for_those_below_it() -> None:
    assert _found("folder") == ["folder/e.mov"]
    assert _found("folder", recursive=True) == ["folder/deep/f.ts", "folder/e.mov"]
    assert find_inputs(["folder"], recursive=False).notes == ["folder: left out 1 folder (--recursive includes them)."]
    assert find_inputs(["folder"], recursive=True).notes == []


def test_what_is_no_video_is_left_out_of_a_folder_whatever_its_suffix() -> None:
    Path("folder/source.ts").write_text("export const answer = 42;\n")
    Path("folder/empty.mp4").touch()
    Path("folder/picture.mp4").write_bytes(b"\x89PNG\r\n")
    Path("folder/sound.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    os.mkfifo("folder/pipe.mp4")
    found = find_inputs(["folder"], recursive=True)
    assert [str(one.path) for one in found.files] == ["folder/deep/f.ts", "folder/e.mov"]
    assert found.notes == ["folder: left out 5 other files."]
    assert _found("folder/source.ts", "folder/sound.wav") == ["folder/source.ts", "folder/sound.wav"]


def test_outputs_are_named_after_their_files_and_keep_the_folders_below_a_folder() -> None:
    assert _targets("a.mp4", "folder") == ["a.mp3", "deep/f.mp3", "e.mp3"]
    Path("out").mkdir()
    assert _targets("a.mp4", "folder", output="out") == ["out/a.mp3", "out/deep/f.mp3", "out/e.mp3"]
    assert _targets("a.mp4", output="x.mp3") == ["x.mp3"]
    assert _targets("a.mp4", output="without-suffix") == ["without-suffix"]
    assert _targets("a.mp4", "b.MKV", output="new/er/") == ["new/er/a.mp3", "new/er/b.mp3"]
    assert _targets("a.mp4", output="-") == ["None"]
    assert _targets("a.mp4", file_format="flac") == ["a.flac"]
    assert _targets("a.mp4", file_format="../x") == ["a.mp3"]


@pytest.mark.parametrize(
    ("arguments", "output", "sentence"),
    [
        (("a.mp4",), "d.mp3", "d.mp3 already exists. Overwrite it with --force, keep it with --skip-existing"),
        (("a.mp4", "b.MKV"), "d.mp3", "d.mp3 is not a folder; several files need one as their output."),
        (("a.mp4", "b.MKV"), "x", "several files need one as their output. Create it with -o x/."),
        (("a.mp4", "b.MKV"), "-", "- is not a folder"),
        (("-",), None, "Name the output of standard input with -o"),
        (("d.mp3",), None, "d.mp3 is the input itself."),
    ],
)
def test_an_output_that_does_not_fit_is_an_error(arguments: tuple[str, ...], output: str | None, sentence: str) -> None:
    with pytest.raises(click.UsageError) as error:
        plan(find_inputs(arguments, recursive=False).files, output, None, NEITHER)
    assert sentence in error.value.format_message()


def test_two_files_with_the_same_output_are_an_error() -> None:
    Path("A.mkv").touch()
    with pytest.raises(click.UsageError, match="have the same output"):
        plan(find_inputs(["a.mp4", "A.mkv"], recursive=False).files, None, None, NEITHER)


@pytest.mark.parametrize("output", ["none/x.mp3", "c.txt/x.mp3", "x" * 300, "link.mp3", "pipe"])
@pytest.mark.parametrize("force", [False, True])
def test_an_output_that_cannot_be_created_is_an_error(output: str, force: bool) -> None:
    Path("link.mp3").symlink_to("c.txt")
    os.mkfifo("pipe")
    with pytest.raises((OSError, click.UsageError)):
        plan(find_inputs(["a.mp4"], recursive=False).files, output, None, Overwriting(force=force, skip=False))
    assert Path("link.mp3").is_symlink()


def test_an_existing_output_is_skipped_or_overwritten_as_asked() -> None:
    Path("a.mp3").touch()
    inputs = find_inputs(["a.mp4", "b.MKV"], recursive=False).files
    assert [item.skipped for item in plan(inputs, None, None, Overwriting(force=False, skip=True))] == [True, False]
    assert [item.skipped for item in plan(inputs, None, None, Overwriting(force=True, skip=False))] == [False, False]
    with pytest.raises(click.UsageError, match="not both"):
        Overwriting(force=True, skip=True)


@pytest.mark.parametrize(
    ("output", "file_format", "requested"),
    [
        (None, None, None),
        ("-", None, None),
        ("-", "flac", "flac"),
        ("folder", "opus", "opus"),
        ("new.flac/", None, None),
        ("x.m4a", None, "m4a"),
        ("x.m4a", "flac", "x.m4a has the suffix .m4a, but the format is flac."),
        ("x.MP4", None, "x.MP4 has the suffix .mp4, but videos are converted to .mp3, .m4a, .opus, .flac, .wav."),
        ("x.m4a", "original", "original"),
    ],
)
def test_the_suffix_of_an_output_file_names_its_format(
    output: str | None, file_format: str | None, requested: str | None
) -> None:
    if requested and " " in requested:
        with pytest.raises(click.UsageError) as error:
            requested_format(output, file_format)
        assert error.value.format_message() == requested
    else:
        assert requested_format(output, file_format) == requested


def test_the_output_of_an_original_track_gets_the_suffix_of_its_format(job: Job) -> None:
    Path("a.mp3").touch()
    Path("song.m4a").write_bytes(AVI)
    sources = find_inputs(["a.mp4", "song.m4a"], recursive=False).files
    video, song = plan(sources, None, "original", NEITHER)
    m4a = replace(job, format="m4a")
    assert [str(item.settled(m4a).target) for item in plan(sources[:1], "folder", "original", NEITHER)] == [
        "folder/a.m4a"
    ]
    assert str(video.settled(replace(job, format="../x")).target) == "a.mp3"
    with pytest.raises(FileExistsError, match="the input itself"):
        song.settled(m4a)
    (named,) = plan(sources[:1], "x.m4a", "original", NEITHER)
    assert named.settled(m4a) == named
    with pytest.raises(OtherFormat, match=r"The audio is ac3, which does not fit the name x\.m4a"):
        named.settled(replace(job, format="ac3"))


def test_an_original_track_is_skipped_if_there_is_an_output_in_any_format(job: Job) -> None:
    Path("a.opus").touch()
    Path("b.mka").touch()
    sources = find_inputs(["a.mp4", "b.MKV", "d.mp3"], recursive=False).files
    items = plan(sources, None, "original", Overwriting(force=False, skip=True))
    assert [str(item.target) for item in items if item.skipped] == ["a.opus"]


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
