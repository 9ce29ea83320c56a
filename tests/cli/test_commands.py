"""The command, as a person or a script uses it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner
from cloudevents.core.v1.event import CloudEvent

from devservers.local_stack import Stack, living_processes
from devservers.waiting import wait_for
from soundlift.cli.convert import convert
from soundlift.cli.user import user
from soundlift.client import Client
from soundlift.common.broker import Broker
from soundlift.common.errors import BadRequest
from soundlift.common.events import VIDEO_UPLOADED
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.clips import PICTURE, SINE, ffmpeg, talking_mp4
from tests.factories.queues import RabbitMqQueues
from tests.pipeline.conftest import EMAIL, stack

pytestmark = pytest.mark.servers

__all__ = ["stack"]
Run = Callable[..., subprocess.CompletedProcess[str]]

OPTIONS_OF_CONVERT = {
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


@pytest.fixture(scope="module")
def servers() -> dict[str, str]:
    return {}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the command in a folder and with a data folder of this test's own."""

    (tmp_path / "data").mkdir(exist_ok=True)

    def soundlift(*arguments: str, said: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "soundlift.cli", *arguments],
            input=said,
            env={**os.environ, "SOUNDLIFT_DATA": str(tmp_path / "data"), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return soundlift


def test_accounts_are_added_listed_changed_and_removed(run: Run) -> None:
    assert run("user", "add", "Ada@Example.org", said="a long password\n").stdout == "Added ada@example.org.\n"
    assert run("user", "add", "root@example.org", "--admin", said="a long password\n").returncode == 0
    assert run("user", "list").stdout == "ada@example.org\nroot@example.org  admin\n"
    assert run("user", "passwd", "ada@example.org", said="another password\n").returncode == 0
    assert run("user", "remove", "ada@example.org").stdout == "Removed ada@example.org.\n"
    assert run("user", "list").stdout == "root@example.org  admin\n"


def test_a_command_closes_a_data_folder_that_others_can_read(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.chmod(0o755)
    (data / "soundlift.db").touch(0o644)
    assert run("user", "add", "ada@example.org", said="a long password\n").returncode == 0
    assert run("dead", "list").returncode == 0
    assert (data / "queue.db").exists()
    assert not [path for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077]


def test_an_account_that_exists_is_left_as_it_is_where_that_is_asked_for(run: Run) -> None:
    add = ("user", "add", "Ada@Example.org", "--admin", "--if-absent")
    assert run(*add, said="a long password\n").stdout == "Added ada@example.org.\n"
    before = run("user", "list").stdout
    again = run(*add, said="")
    assert again.returncode == 0
    assert again.stdout == (
        "ada@example.org already has an account; nothing was changed.\n"
        "To change its password, run: soundlift user passwd ada@example.org\n"
    )
    assert run("user", "list").stdout == before == "ada@example.org  admin\n"


@pytest.mark.parametrize(
    ("arguments", "said", "sentence"),
    [
        (("user", "add", "ada"), "a long password\n", "'ada' is not one mail address such as name@example.org."),
        (("user", "add", "a@x.org, b@x.org"), "a long password\n", "is not one mail address"),
        (("user", "add", "ada@example.org"), "short\n", "A password must have at least 8 characters."),
        (("user", "remove", "eve@example.org"), "", "eve@example.org has no account."),
        (("user", "passwd", "eve@example.org"), "", "eve@example.org has no account."),
        (("dead", "show", "7"), "", "There is no dead letter 7; `soundlift dead list` shows them."),
        (("dead", "drop"), "", "Name the dead letters or use --all; `soundlift dead list` shows them."),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    run: Run, arguments: tuple[str, ...], said: str, sentence: str
) -> None:
    ended = run(*arguments, said=said)
    assert ended.returncode == 1
    assert ended.stderr.startswith("soundlift: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("usr",), ("user", "ad"), ("up", "--prot", "1"), ("convert", "no-such-file.mp4")]
)
def test_a_typo_is_shown_and_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert arguments[-1].strip("-") in ended.stderr or "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(params=["file", pytest.param("rabbitmq", marks=pytest.mark.servers)])
def broker(request: pytest.FixtureRequest, services: Services) -> Iterator[Broker]:
    """Return one broker after the other, as BROKER_URL opens it."""
    with ExitStack() as stack:
        if request.param == "rabbitmq":
            queues = stack.enter_context(RabbitMqQueues(request.getfixturevalue("rabbitmq_node")))
            services.settings = replace(services.settings, broker_url=queues.url)
            stack.enter_context(closing(services.broker))
        yield services.broker


def test_dead_letters_are_listed_shown_replayed_and_dropped(services: Services, broker: Broker, run: Run) -> None:
    settings = services.settings
    own = {"SOUNDLIFT_DATA": str(settings.soundlift_data), "BROKER_URL": settings.broker_url, "COLUMNS": "200"}

    def dead(*arguments: str) -> str:
        ended = run("dead", *arguments, **own)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert dead("list") == "There are no dead letters.\n"
    for number in (1, 2):
        attributes = {"specversion": "1.0", "id": f"event-{number}", "source": "/t", "type": VIDEO_UPLOADED}
        broker.publish(CloudEvent(attributes, {"job_id": "x"}))
        delivery = broker.receive(["video"], 5)
        assert delivery is not None
        broker.reject(delivery, {"function": "convert", "status": 422, "detail": "no good", "attempts": 1})
    first, second = (letter.id for letter in broker.list())
    assert all(word in dead("list") for word in ("video", "convert", "422", "no good"))
    assert all(word in dead("show", first) for word in ("event-1", "no good", "status: 422"))
    dead("replay", first)
    dead("drop", "--all")
    assert dead("list") == "There are no dead letters.\n"
    waiting = broker.receive(["video"], 5)
    assert waiting is not None
    assert b"event-1" in waiting.message.body
    assert second != first


@pytest.mark.parametrize(("command", "email"), [("add", "new@example.org"), ("passwd", EMAIL)])
@pytest.mark.parametrize(
    ("length", "sentence"),
    [(7, "A password must have at least 8 characters."), (1001, "A password must have at most 1000 characters.")],
)
def test_a_password_that_is_too_short_or_too_long_is_refused_and_changes_nothing(
    services: Services, command: str, email: str, length: int, sentence: str
) -> None:
    before, data = services.users.list(), {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    ended = CliRunner().invoke(user, [command, email], input="x" * length + "\n", env=data)
    assert isinstance(ended.exception, BadRequest)
    assert ended.exception.detail == sentence
    assert services.users.list() == before


@pytest.mark.parametrize("password", ["8 chars.", "🎵" * 1000])
def test_the_shortest_and_the_longest_password_sign_in_either_way(stack: Stack, password: str) -> None:
    email = f"user-{len(password)}@example.org"
    added = CliRunner().invoke(user, ["add", email], input=f"{password}\n", env={"SOUNDLIFT_DATA": str(stack.data)})
    assert added.output == f"Added {email}.\n"
    basic = base64.b64encode(f"{email}:{password}".encode()).decode()
    for sent in (
        {"headers": {"Authorization": f"Basic {basic}"}},
        {"body": json.dumps({"email": email, "password": password})},
    ):
        assert urllib3.request("POST", f"{stack.url}/login", retries=False, timeout=30, **sent).status == 200


def test_a_file_is_never_replaced_by_its_own_mp3_however_it_is_named(tmp_path: Path) -> None:
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


def test_a_file_is_converted_with_a_running_deployment(run: Run, stack: object, tmp_path: Path) -> None:
    who = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    video = talking_mp4(tmp_path, name="Ünïcode 🎵.mp4")
    ended = run("convert", video.name, **who)
    assert ended.returncode == 0, ended.stderr
    assert "Ünïcode 🎵.mp3: 3.0 s" in ended.stdout
    assert (tmp_path / "Ünïcode 🎵.mp3").read_bytes()[:3] == b"ID3"
    assert run("convert", video.name, **who).returncode == 2
    assert run("convert", video.name, "--force", **who).returncode == 0
    silent = ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    ended = run("convert", silent.name, **who)
    assert ended.returncode == 1
    assert "soundlift: The video has no sound: there is no audio track in it." in ended.stderr
    wrong = {**who, "SOUNDLIFT_PASSWORD": "wrong"}
    assert "soundlift: The e-mail address or the password is wrong." in run("convert", silent.name, **wrong).stderr


def test_a_file_is_converted_as_the_command_s_options_say(run: Run, stack: object, tmp_path: Path) -> None:
    who = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    video = talking_mp4(tmp_path)
    for number, (arguments, shown) in enumerate(OPTIONS_OF_CONVERT.items()):
        ended = run("convert", video.name, "-o", f"{number}.mp3", *arguments.split(), **who)
        assert ended.returncode == 0, ended.stderr
        job = next(Client(stack.url, email=EMAIL, password=PASSWORD).jobs())
        assert {name: job.options[name] for name in shown} == shown
        assert job.missing_seconds in (None, 0)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--bitrate", "500"), 1, "soundlift: bitrate=500 must be one of 32, 40, "),
        (("--tag", "titel=T"), 1, "tag.titel=T: there is no such option; did you mean tag.title?"),
        (("--start", "9", "--end", "8"), 1, "end=8 must be after the start, 9 s."),
        (("--tag", "title"), 2, "title must be NAME=VALUE"),
        (("--normalize", "--loudness", "-14"), 2, "Say either --loudness or --normalize."),
    ],
)
def test_an_option_that_cannot_be_meant_is_one_sentence_and_nothing_is_uploaded(
    run: Run, stack: object, tmp_path: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    who = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    before = len(list(Client(stack.url, email=EMAIL, password=PASSWORD).jobs()))
    ended = run("convert", talking_mp4(tmp_path).name, *arguments, **who)
    assert (ended.returncode, "Traceback" in ended.stderr) == (status, False)
    assert sentence in ended.stderr
    assert len(list(Client(stack.url, email=EMAIL, password=PASSWORD).jobs())) == before
    assert not (tmp_path / "talking.mp3").exists()


def test_a_server_that_is_not_there_is_one_sentence(run: Run, tmp_path: Path) -> None:
    talking_mp4(tmp_path)
    ended = run("convert", "talking.mp4", "--url", "http://127.0.0.1:1", "--token", "x")
    assert ended.returncode == 1
    assert "soundlift: " in ended.stderr
    assert "http://127.0.0.1:1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_demo_takes_a_video_the_whole_way_and_leaves_nothing_running(run: Run, tmp_path: Path) -> None:
    ended = run("demo", str(talking_mp4(tmp_path, name="own.mp4")), JWT_SECRET="not for the demo", SMTP_URL="gopher://")
    assert ended.returncode == 0, ended.stderr
    for word in ("logged in", "uploaded own.mp4", "ready, 100 %", "44100 Hz, mono", "Subject: Your MP3 is ready"):
        assert word in ended.stdout
    assert (tmp_path / "build" / "demo" / "own.mp3").exists()
    assert not [one for one in living_processes().values() if str(tmp_path) in one.command]


def test_a_demo_told_to_stop_takes_its_stack_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soundlift.cli", "demo", str(talking_mp4(tmp_path))]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        started = demo.stdout.readline()
        assert "started" in started
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) != 0
    port = started.strip().rpartition(":")[2]
    wait_for(lambda: not [one for one in living_processes().values() if f"--port {port}" in one.command], "all ended")


def test_a_demo_that_is_killed_takes_its_stack_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soundlift.cli", "demo", str(talking_mp4(tmp_path))]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as demo:
        assert demo.stdout is not None
        started = demo.stdout.readline()
        assert "started" in started
        (data,) = tmp_path.glob("soundlift-demo-*")
        stack = [one for one in living_processes().values() if str(data) in one.command and one.pid != demo.pid]
        assert stack
        demo.kill()
    port = started.strip().rpartition(":")[2]

    def ended() -> bool:
        living = living_processes()
        return not any(one.pid in living for one in stack) and not _answers(int(port))

    try:
        wait_for(ended, "all ended", seconds=60)
    finally:
        for one in stack:
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGTERM)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
