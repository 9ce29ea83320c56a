"""Internal functions and /system need the gateway's login, which is new at each start."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devservers.local_stack import Stack, Start, assert_refused
from devservers.ports import free_port
from devservers.waiting import wait_for

pytestmark = pytest.mark.servers

PUBLIC = ("login", "validate", "upload", "download", "jobs", "hooks")
INTERNAL = ("fetch", "convert", "notify", "webhook", "cleanup")
STACK = """
functions:
  parrot:
    handler: ./speaking/parrot
    image: speaking/parrot
    annotations:
      topic: nobody
"""
PARROT = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [environ.get("HTTP_AUTHORIZATION", "none").encode()]
"""


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    return start()


def wrong(login: str) -> list[str | None]:
    user, _, password = login.partition(":")
    return [None, f"{user}:", f"{user}:{password[:-1]}", f"{user}:{password}x", f"x{user}:{password}", ":"]


@pytest.mark.parametrize("name", INTERNAL)
@pytest.mark.parametrize("path", ["/{}", "/{}/", "/function/{}", "/function/{}/below", "/function/{}/_/ready"])
def test_functions_for_events_and_cron_refuse_requests_without_the_login(stack: Stack, name: str, path: str) -> None:
    for login in wrong(stack.login):
        for answer in (stack.post(path.format(name), login=login), stack.get(path.format(name), login=login)):
            assert answer.status == 401
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            assert answer.json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("path", ["/system/functions", "/system/function/convert", "/system/"])
def test_paths_below_system_need_the_login(stack: Stack, path: str) -> None:
    for login in wrong(stack.login):
        assert stack.get(path, login=login).status == 401
    assert stack.get(path, login=stack.login).status in (200, 404)


@pytest.mark.parametrize("name", PUBLIC)
def test_functions_for_clients_do_not_need_the_login(stack: Stack, name: str) -> None:
    assert stack.get(f"/function/{name}/_/ready").status == 200


def test_an_operator_can_call_cleanup_with_the_login_in_the_data_folder(stack: Stack) -> None:
    assert stack.cleanup().json().keys() == {"expired", "orphans", "sent"}


def test_a_function_does_not_receive_the_login(start: Start, tmp_path: Path) -> None:
    handler = tmp_path / "speaking" / "parrot" / "handler.py"
    handler.parent.mkdir(parents=True)
    handler.write_text(PARROT)
    (tmp_path / "stack.yml").write_text(STACK)
    stack = start(STACK_FILE=str(tmp_path / "stack.yml"), PYTHONPATH=str(tmp_path))
    assert stack.post("/function/parrot", login=stack.login).data == b"none"


def test_a_failed_start_keeps_the_previous_login(start: Start) -> None:
    stack = start()
    login = stack.login
    stack.stop()
    database = f"mysql://root@127.0.0.1:{free_port()}/soundlift"
    refused_start(stack.data, naming="DATABASE_URL", DATABASE_URL=database)
    assert stack.login == login


def test_a_second_start_on_a_data_folder_is_refused_and_the_login_stays_valid(stack: Stack) -> None:
    link = stack.data.with_name("link")
    link.symlink_to(stack.data)
    for data in (stack.data, link):
        refused_start(data, naming=f"already uses the data folder {data}; stop it, or choose another folder")
    assert stack.cleanup().status == 200


def refused_start(data: Path, *, naming: str, **environment: str) -> None:
    assert_refused("--port", str(free_port()), "--data", str(data), naming=naming, **environment)


def test_each_start_generates_a_new_login_unless_the_settings_have_one(start: Start, stack: Stack) -> None:
    theirs = start(BASIC_AUTH_USER="admin", BASIC_AUTH_PASSWORD="of an operator")
    assert theirs.login == "admin:of an operator"
    assert theirs.cleanup().status == 200
    ours = start()
    assert ours.login != stack.login
    assert ours.get("/system/functions", login=stack.login).status == 401
    log = ours.data / "logs" / "connector.log"
    wait_for(lambda: log.exists() and "subscriptions" in log.read_text(), "the connector has logged in")


def test_slow_clients_without_the_login_do_not_block_those_with_it(start: Start) -> None:
    stack = start(THREADS="2")
    address = urlsplit(stack.url)
    slow = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n"
    with ExitStack() as connections:
        for _ in range(4):
            client = connections.enter_context(socket.create_connection((address.hostname, address.port)))
            client.sendall(slow)
        # The connector and cron occupy threads too, but briefly; the slow clients would occupy theirs for 30 seconds.
        wait_for(lambda: stack.get("/system/functions", login=stack.login).status == 200, "the list is answered")
        wait_for(lambda: stack.get("/healthz").status == 200, "it is healthy")


def test_half_a_login_is_refused_with_a_sentence_that_names_the_missing_half(tmp_path: Path) -> None:
    assert_refused(
        "--port",
        str(free_port()),
        "--data",
        str(tmp_path / "data"),
        naming="BASIC_AUTH_PASSWORD",
        BASIC_AUTH_USER="admin",
    )
