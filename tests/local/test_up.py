"""`soundlift up` starts, serves requests, restarts its children and stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from devservers.local_stack import GATEWAY, Process, Stack, Start, assert_refused, living_processes
from devservers.ports import free_port
from devservers.waiting import DEADLINE_SECONDS, wait_for

pytestmark = pytest.mark.servers

FUNCTIONS = {"login", "validate", "upload", "download", "jobs", "hooks", "web"} | {
    *("fetch", "convert", "notify", "webhook", "cleanup")
}


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    return start()


def assert_gone(processes: Sequence[Process]) -> None:
    assert processes
    wait_for(lambda: not {one.pid for one in processes} & living_processes().keys(), "all processes have ended")


def test_the_greeting_names_address_data_folder_and_next_commands(stack: Stack) -> None:
    wait_for(lambda: "soundlift convert" in stack.output, "the greeting is printed")
    assert stack.url in stack.output
    assert str(stack.data) in stack.output
    assert "soundlift user add" in stack.output


def test_the_gateway_lists_the_functions_as_openfaas_does(stack: Stack) -> None:
    functions = {one["name"]: one for one in stack.get("/system/functions", login=stack.login).json()}
    assert functions.keys() == FUNCTIONS
    assert functions["convert"]["annotations"]["topic"] == "video"
    assert functions["cleanup"]["annotations"]["schedule"] == "* * * * *"
    assert functions["login"]["image"] == "registry.invalid/soundlift/login:set-image-prefix-and-image-tag"
    assert functions["login"]["availableReplicas"] == 1


@pytest.mark.parametrize("path", ["/login", "/function/login", "/login/", "/function/login/"])
def test_a_function_answers_at_both_of_its_paths(stack: Stack, path: str) -> None:
    answer = stack.post(path)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert answer.json()["code"] == "missing_credentials"


@pytest.mark.parametrize("path", ["/nothing", "/function/nothing", "/function/nothing.openfaas-fn", "/system"])
def test_a_404_answer_lists_the_functions(stack: Stack, path: str) -> None:
    answer = stack.get(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(re.findall(r"\w+", answer.json()["detail"])) >= FUNCTIONS


def test_every_function_is_ready(stack: Stack) -> None:
    ready = {name: stack.get(f"/function/{name}/_/ready", login=stack.login).status for name in FUNCTIONS}
    assert ready == dict.fromkeys(FUNCTIONS, 200)


def test_the_gateway_listens_on_the_loopback_only(stack: Stack) -> None:
    port = int(stack.url.rpartition(":")[2])
    with socket.socket() as other:
        other.settimeout(DEADLINE_SECONDS)
        assert other.connect_ex(("127.0.0.1", port)) == 0
    with socket.socket() as other:
        other.bind(
            ("127.0.0.2" if sys.platform == "linux" else "::1", port)
        )  # would fail if the gateway listened on 0.0.0.0


def test_data_folder_and_secrets_are_private_to_the_owner(stack: Stack) -> None:
    secret = stack.data / "secrets" / "jwt-secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.data.stat().st_mode) == 0o700
    assert len(secret.read_text()) >= 32
    assert not [path for path in stack.data.rglob("*") if path.stat().st_mode & 0o077]
    assert {file.name for file in secret.parent.iterdir()} == {"gateway-login", "jwt-secret"}
    assert stat.S_IMODE((secret.parent / "gateway-login").stat().st_mode) == 0o600


@pytest.mark.parametrize("module", [GATEWAY, "soundlift.connector"])
def test_a_killed_child_is_restarted(stack: Stack, module: str) -> None:
    wait_for(lambda: stack.child(module), f"{module} is running")
    killed = stack.child(module)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: (stack.child(module) or killed).pid != killed.pid, f"{module} is running again")
    wait_for(stack.answers, "the gateway answers again")
    assert "was killed by SIGKILL; restarting" in stack.output


@pytest.mark.parametrize("setting", ["METRICS_PORT", "CONNECTOR_PORT"])
def test_a_second_port_in_use_is_reported_in_one_sentence(stack: Stack, tmp_path: Path, setting: str) -> None:
    port = stack.url.rpartition(":")[2]
    own, data = str(free_port()), str(tmp_path / "data")
    sentence = f"Port {port} is in use. Choose another with {setting}."
    assert_refused("--port", own, "--data", data, naming=sentence, **{setting: port})


def test_a_port_in_use_is_reported_in_one_sentence_and_nothing_is_created(stack: Stack, tmp_path: Path) -> None:
    port = stack.url.rpartition(":")[2]
    ended = subprocess.run(
        [sys.executable, "-m", "soundlift.cli", "up", "--port", port, "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    sentence = f"soundlift: Port {port} is in use. Choose another with --port.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", sentence)
    assert not (tmp_path / "data").exists()


def test_an_impossible_data_folder_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    below = tmp_path / "file" / "below"
    assert_refused("--port", str(free_port()), "--data", str(below), naming=str(below))


@pytest.mark.unprivileged
def test_a_data_folder_that_is_not_writable_is_reported_in_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert_refused("--port", str(free_port()), "--data", str(tmp_path), naming=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", "short"),
        ("STACK_FILE", "/no/stack.yml"),
        ("STACK_FILE", __file__),
        ("THREADS", "many"),
        ("BROKER_URL", "gopher://x"),
        ("DATABASE_URL", "gopher://x"),
        ("MEDIA_URL", "gopher://x"),
        ("SMTP_URL", "gopher://x"),
    ],
)
def test_an_invalid_setting_is_named_in_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    assert_refused("--port", str(free_port()), "--data", str(tmp_path), naming=name, **{name: value})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "mysql://root@127.0.0.1:{port}/soundlift"),
        ("BROKER_URL", "amqp://127.0.0.1:{port}"),
        ("MEDIA_URL", "mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=500"),
        ("MEDIA_URL", "s3://key:secret@bucket?endpoint=http://127.0.0.1:{port}"),
    ],
)
def test_an_unreachable_server_is_reported_with_its_setting_in_one_sentence(
    tmp_path: Path, name: str, url: str
) -> None:
    environment = {name: url.format(port=free_port())}
    assert_refused("--port", str(free_port()), "--data", str(tmp_path), naming=f"Setting {name}: ", **environment)


def test_an_unknown_listen_address_is_reported_in_one_sentence(tmp_path: Path) -> None:
    for host in ("no.such.host.invalid", "203.0.113.1"):
        assert_refused("--host", host, "--port", str(free_port()), "--data", str(tmp_path / "data"), naming=host)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_with_exit_code_0_and_leaves_no_process(start: Start, number: signal.Signals) -> None:
    stack = start()
    wait_for(lambda: stack.child("soundlift.connector"), "the connector is running")
    processes = stack.descendants()
    stack.process.send_signal(number)
    assert stack.process.wait(DEADLINE_SECONDS) == 0
    assert_gone(processes)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the pending signals of a process from /proc")
def test_the_gateway_answers_until_the_connector_ends_or_a_second_signal_comes(start: Start) -> None:
    stack = start()
    wait_for(lambda: stack.child("soundlift.connector"), "the connector is running")
    connector = stack.child("soundlift.connector")
    assert connector is not None
    processes = stack.descendants()
    os.kill(connector.pid, signal.SIGSTOP)

    def has_pending_sigterm() -> bool:
        status = Path(f"/proc/{connector.pid}/status").read_text()
        (pending,) = re.findall(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
        return bool(int(pending, 16) >> (signal.SIGTERM - 1) & 1)

    stack.process.send_signal(signal.SIGTERM)
    wait_for(has_pending_sigterm, "the connector has been sent SIGTERM")
    for _ in range(20):
        assert stack.answers()
    stack.process.send_signal(signal.SIGTERM)
    assert stack.process.wait(DEADLINE_SECONDS) == 0
    assert_gone(processes)


def test_a_killed_supervisor_leaves_no_process(start: Start) -> None:
    stack = start()
    wait_for(lambda: stack.child("soundlift.connector"), "the connector is running")
    processes = stack.descendants()
    stack.process.kill()
    stack.process.wait(DEADLINE_SECONDS)
    assert_gone(processes)


def test_it_can_start_again_while_children_of_a_killed_supervisor_still_run(start: Start) -> None:
    stack = start()
    wait_for(lambda: stack.child("soundlift.connector"), "the connector is running")
    processes = stack.descendants()
    try:
        for one in processes:
            os.kill(one.pid, signal.SIGSTOP)
        stack.process.kill()
        stack.process.wait(DEADLINE_SECONDS)
        again = start(stack.data)
        assert {one.pid for one in processes} <= living_processes().keys()
        assert again.cleanup().status == 200
    finally:
        for one in processes:
            os.kill(one.pid, signal.SIGCONT)
    assert_gone(processes)
