"""`soundlift demo` converts a video on an embedded stack, and always stops the stack."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from devservers.local_stack import living_processes
from devservers.waiting import wait_for
from tests.cli.conftest import Run
from tests.factories.clips import talking_mp4

pytestmark = pytest.mark.servers


def test_the_demo_converts_a_video_and_leaves_no_process(run: Run, tmp_path: Path) -> None:
    ended = run(
        "demo",
        "-o",
        "out",
        str(talking_mp4(tmp_path, name="own.mp4")),
        JWT_SECRET="not for the demo",
        SMTP_URL="gopher://",
    )
    assert ended.returncode == 0, ended.stderr
    for word in (
        "logged in",
        "uploaded own.mp4",
        "ready, 100 %",
        "44100 Hz, mono",
        "Subject: Your audio file is ready",
    ):
        assert word in ended.stdout
    assert (tmp_path / "out" / "own.mp3").exists()
    assert not [one for one in living_processes().values() if str(tmp_path) in one.command]


@pytest.mark.parametrize("name", ["a`b`.mp4", "a \"quoted\" and 'quoted' $HOME $(id).mp4", "-x.mp4", "ünï 🎵.mp4"])
def test_the_demo_takes_any_file_name_and_shows_no_server_log(run: Run, tmp_path: Path, name: str) -> None:
    ended = run("demo", "--", talking_mp4(tmp_path, name=name).name)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"uploaded {name} (" in ended.stdout
    assert (tmp_path / "soundlift-demo" / name.replace(".mp4", ".mp3")).exists()
    assert "gateway.log" not in ended.stdout


def test_a_demo_that_fails_is_one_sentence_and_shows_the_servers_log_only_if_verbose(run: Run, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("not a video")
    ended = run("demo", "no.mp4")
    assert ended.returncode != 0
    assert (ended.stderr[:11], ended.stderr.count("\n")) == ("soundlift: ", 1)
    verbose = run("demo", "--verbose", "no.mp4")
    assert "gateway.log: {" in verbose.stderr
    assert verbose.stderr.endswith(ended.stderr)


def test_a_stopped_demo_stops_its_stack(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soundlift.cli", "demo", str(talking_mp4(tmp_path))]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        started = demo.stdout.readline()
        assert "started" in started
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) != 0
    port = started.strip().rpartition(":")[2]
    wait_for(
        lambda: not [one for one in living_processes().values() if f"--port {port}" in one.command],
        "all processes have ended",
    )


def test_a_killed_demo_stops_its_stack(tmp_path: Path) -> None:
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
        wait_for(ended, "all processes have ended", seconds=60)
    finally:
        for one in stack:
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGTERM)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
