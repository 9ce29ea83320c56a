"""Files are converted on a running deployment by `soundlift convert`."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from devservers.local_stack import Stack
from soundlift.cli.convert import convert
from soundlift.client import Client
from tests.cli.conftest import Run
from tests.factories.accounts import PASSWORD
from tests.factories.clips import PICTURE, SINE, ffmpeg, talking_mp4
from tests.pipeline.conftest import EMAIL

pytestmark = pytest.mark.servers

OPTIONS = {
    "": {"bitrate": None, "quality": 2, "normalize": None, "tags": "keep", "cover": "keep"},
    "--bitrate 96k --sample-rate 32000 --channels 1 --start 0:00.5 --end 2.5 --track 1 --no-normalize": {
        "bitrate": 96,
        "sample_rate": 32000,
        "channels": 1,
        "start": 0.5,
        "end": 2.5,
        "track": 1,
        "normalize": None,
    },
    "--quality 7 --normalize --strip-tags --no-cover --tag title=T&=Ü --tag artist=": {
        "bitrate": None,
        "quality": 7,
        "normalize": -16,
        "tags": "strip",
        "cover": "drop",
        "tag.title": "T&=Ü",
        "tag.artist": "",
    },
    "--loudness -20": {"normalize": -20},
}


def test_the_output_never_replaces_the_input_under_any_of_its_names(tmp_path: Path) -> None:
    song = ffmpeg(tmp_path / "song.mp3", *SINE)
    (tmp_path / "link.mp3").symlink_to(song)
    (tmp_path / "second-name.mp3").hardlink_to(song)
    (tmp_path / "here").symlink_to(tmp_path)
    before = song.read_bytes()
    for file, output in (
        ("song.mp3", ()),
        ("song.mp3", ("-o", "here")),
        ("song.mp3", ("-o", "here/./song.mp3")),
        ("song.mp3", ("-o", "link.mp3")),
        ("song.mp3", ("-o", "second-name.mp3")),
        ("link.mp3", ("-o", str(song))),
    ):
        with chdir(tmp_path):
            ended = CliRunner().invoke(
                convert, [file, *output, "--force", "--url", "http://127.0.0.1:1", "--token", "x"]
            )
        assert (ended.exit_code, "is the input itself" in ended.stderr) == (2, True), (file, output)
    assert song.read_bytes() == before


def test_a_file_is_converted_on_a_running_deployment(run: Run, stack: Stack, tmp_path: Path) -> None:
    account = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    video = talking_mp4(tmp_path, name="Ünïcode 🎵.mp4")
    ended = run("convert", video.name, **account)
    assert ended.returncode == 0, ended.stderr
    assert "Ünïcode 🎵.mp3: 0:03" in ended.stdout
    assert (tmp_path / "Ünïcode 🎵.mp3").read_bytes()[:3] == b"ID3"
    assert run("convert", video.name, **account).returncode == 2
    assert run("convert", video.name, "--force", **account).returncode == 0
    silent = ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    ended = run("convert", silent.name, **account)
    assert ended.returncode == 1
    assert "soundlift: The video has no sound: there is no audio track in it." in ended.stderr
    wrong = {**account, "SOUNDLIFT_PASSWORD": "wrong"}
    assert "soundlift: The email address or the password is wrong." in run("convert", silent.name, **wrong).stderr


def test_the_options_of_the_command_are_applied_to_the_conversion(run: Run, stack: Stack, tmp_path: Path) -> None:
    account = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    video = talking_mp4(tmp_path)
    for number, (arguments, shown) in enumerate(OPTIONS.items()):
        ended = run("convert", video.name, "-o", f"{number}.mp3", *arguments.split(), **account)
        assert ended.returncode == 0, ended.stderr
        job = next(Client(stack.url, email=EMAIL, password=PASSWORD).jobs())
        assert {name: job.options[name] for name in shown} == shown
        assert job.missing_seconds in (None, 0)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--bitrate", "500"), 5, "soundlift: bitrate=500 must be one of 32, 40, "),
        (("--tag", "titel=T"), 5, "tag.titel=T: there is no such option; did you mean tag.title?"),
        (("--start", "9", "--end", "8"), 5, "end=8 must be after the start, 9 s."),
        (("--tag", "title"), 2, "title must be NAME=VALUE"),
        (("--normalize", "--loudness", "-14"), 2, "Use either --loudness or --normalize, not both."),
    ],
)
def test_an_invalid_option_is_one_sentence_and_nothing_is_uploaded(
    run: Run, stack: Stack, tmp_path: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    account = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    before = len(list(Client(stack.url, email=EMAIL, password=PASSWORD).jobs()))
    ended = run("convert", talking_mp4(tmp_path).name, *arguments, **account)
    assert (ended.returncode, "Traceback" in ended.stderr) == (status, False)
    assert sentence in ended.stderr
    assert len(list(Client(stack.url, email=EMAIL, password=PASSWORD).jobs())) == before
    assert not (tmp_path / "talking.mp3").exists()


def test_an_unreachable_server_is_reported_in_one_sentence(run: Run, tmp_path: Path) -> None:
    talking_mp4(tmp_path)
    ended = run("convert", "talking.mp4", "--url", "http://127.0.0.1:1", "--token", "x")
    assert ended.returncode == 3
    assert "soundlift: " in ended.stderr
    assert "http://127.0.0.1:1" in ended.stderr
    assert "Traceback" not in ended.stderr
