"""Several files are converted at once; the results are lines, JSON objects and an exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devservers.local_stack import Stack
from soundlift.cli.exit_codes import ExitCode
from soundlift.client import Client
from tests.cli.conftest import Run
from tests.factories.accounts import PASSWORD
from tests.factories.clips import PICTURE, ffmpeg, talking_mp4
from tests.pipeline.conftest import EMAIL

pytestmark = pytest.mark.servers


@pytest.fixture
def account(stack: Stack) -> dict[str, str]:
    return {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}


@pytest.fixture
def videos(tmp_path: Path) -> list[str]:
    video = talking_mp4(tmp_path)
    (tmp_path / "folder").mkdir()
    names = ["b c.mp4", "folder/d.mp4"]
    for name in names:
        shutil.copy(video, tmp_path / name)
    return [video.name, *names]


def test_files_folders_and_patterns_are_converted_together(
    run: Run, account: dict[str, str], tmp_path: Path, videos: list[str]
) -> None:
    ended = run("convert", "*.mp4", "folder", "--recursive", "--jobs", "2", **account)
    assert (ended.returncode, ended.stderr) == (0, "3 files: 3 converted.\n")
    lines = sorted(ended.stdout.splitlines())
    assert [line.split(":")[0] for line in lines] == ["b c.mp3", "d.mp3", "talking.mp3"]
    assert all(", job " in line for line in lines)
    assert all((tmp_path / name).read_bytes()[:3] == b"ID3" for name in ("b c.mp3", "d.mp3", "talking.mp3"))
    again = run("convert", "*.mp4", "--skip-existing", **account)
    assert (again.returncode, again.stderr) == (0, "2 files: 2 skipped.\n")
    assert run("convert", "*.mp4", **account).returncode == ExitCode.USAGE


def test_one_failure_does_not_stop_the_others_and_decides_the_exit_code(
    run: Run, account: dict[str, str], tmp_path: Path, videos: list[str]
) -> None:
    ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    (tmp_path / "letter.mp4").write_text("Dear Sir or Madam")
    ended = run("convert", "talking.mp4", "silent.mp4", "letter.mp4", **account)
    assert ended.returncode == ExitCode.FAILED
    assert ended.stdout.count("\n") == 1
    assert "soundlift: silent.mp4: The video has no sound" in ended.stderr
    assert "soundlift: letter.mp4: This is not a media file" in ended.stderr
    assert ended.stderr.endswith("3 files: 1 converted, 2 failed.\n")
    assert run("convert", "letter.mp4", **account).returncode == ExitCode.REFUSED


def test_each_result_is_one_json_object(run: Run, account: dict[str, str], tmp_path: Path, videos: list[str]) -> None:
    ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    ended = run("convert", "talking.mp4", "silent.mp4", "--json", "--quiet", **account)
    assert ended.stderr == ""
    results = {result["file"]: result for result in map(json.loads, ended.stdout.splitlines())}
    ready, failed = results["talking.mp4"], results["silent.mp4"]
    assert (ready["state"], ready["output"], ready["error"]) == ("ready", "talking.mp3", None)
    assert ready["bytes"] == (tmp_path / "talking.mp3").stat().st_size
    assert (failed["state"], failed["error"]["code"]) == ("failed", "no_audio")
    client = Client(account["SOUNDLIFT_URL"], email=EMAIL, password=PASSWORD)
    assert {client.job(result["job"]).file_name for result in results.values()} == {"talking.mp4", "silent.mp4"}


def test_files_get_the_format_of_their_name_or_the_name_of_their_format(
    run: Run, account: dict[str, str], tmp_path: Path, videos: list[str]
) -> None:
    named = run("convert", "talking.mp4", "-o", "talk.flac", **account)
    assert (named.returncode, ", FLAC, " in named.stdout) == (0, True), named.stderr
    assert (tmp_path / "talk.flac").read_bytes()[:4] == b"fLaC"
    original = run("convert", "talking.mp4", "folder", "--format", "original", "-o", "new/", "--json", **account)
    results = [json.loads(line) for line in original.stdout.splitlines()]
    assert {(result["output"], result["codec"], result["copied"]) for result in results} == {
        ("new/talking.m4a", "aac", True),
        ("new/d.m4a", "aac", True),
    }
    assert (tmp_path / "new" / "d.m4a").read_bytes()[4:8] == b"ftyp"
    wrong = run("convert", "talking.mp4", "--format", "original", "-o", "talk.ogg", **account)
    assert wrong.returncode == ExitCode.FAILED
    assert "The audio is m4a, which does not fit the name talk.ogg. Save it with" in wrong.stderr
    assert not (tmp_path / "talk.ogg").exists()


def test_quiet_prints_nothing_and_verbose_prints_each_step(
    run: Run, account: dict[str, str], videos: list[str]
) -> None:
    ended = run("convert", "talking.mp4", "-q", **account)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = run("convert", "talking.mp4", "-v", "--force", **account)
    steps = [line.split(": ")[1].split(",")[0] for line in ended.stderr.splitlines()]
    assert steps == ["uploaded", "converted", "saved as talking.mp3"]


def test_standard_input_is_converted_to_standard_output(
    run: Run, account: dict[str, str], tmp_path: Path, videos: list[str]
) -> None:
    video, output = tmp_path / "talking.mp4", tmp_path / "out.mp3"
    output.write_bytes(b"before")
    command = [sys.executable, "-m", "soundlift.cli", "convert", "-", "-o", "-"]
    with video.open("rb") as stdin, output.open("ab") as stdout:
        ended = subprocess.run(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**os.environ, **account},
            timeout=90,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.startswith(b"standard output: 0:03")
    assert output.read_bytes()[:9] == b"beforeID3"


def test_no_color_and_no_bars_are_printed_into_a_file(run: Run, account: dict[str, str], videos: list[str]) -> None:
    ended = run("convert", "talking.mp4", FORCE_COLOR="", **account)
    assert "\x1b" not in ended.stdout + ended.stderr
    assert ended.stderr == ""
