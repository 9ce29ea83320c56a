"""nginx with exactly the documented configuration keeps greedy clients away from the functions, and logs no tokens."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from devservers.certificates import Authority
from devservers.nginx import nginx
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.jobs.document import signed_link
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.request_buffer import SMALL_BODY_BYTES
from soundlift.local.supervisor import gateway_threads
from tests.api.function_server import LOOPBACK, FunctionServer, read_response, served
from tests.api.test_greedy_clients import GATEWAY
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, ready_job

pytestmark = pytest.mark.servers

HOST = "soundlift.example.org"
PROXY_PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
UPLOADS = 8  # the documented limit of one address
MP3_BYTES = 8 * 2**20
Open = Callable[..., socket.socket]


@contextmanager
def served_gateway(services: Services, threads: int) -> Iterator[FunctionServer]:
    settings = {
        "THREADS": str(threads),
        "PUBLIC_URL": f"https://{HOST}",
        "BASIC_AUTH_USER": "admin",
        "BASIC_AUTH_PASSWORD": "a password of the gateway",
    }
    arguments = f"--threads {gateway_threads(Settings.from_environment(settings))}"
    environment = {**settings, "GUNICORN_CMD_ARGS": arguments}
    with served("gateway", services, environment, application=GATEWAY) as server:
        yield server


@contextmanager
def proxied(gateway: FunctionServer, folder: Path, http_port: int | None = None) -> Iterator[Open]:
    """Run nginx with the documented configuration; yield a function that sends a request from an address."""
    port = free_port()
    authority = Authority(folder)
    certificate, key = authority.issue(HOST)
    (documented,) = re.findall(r"```nginx\n(.*?)```", PROXY_PAGE.read_text(), re.DOTALL)
    for name, value in {
        "listen 80;": f"listen {LOOPBACK}:{http_port or free_port()};",
        "listen 443 ssl;": f"listen {LOOPBACK}:{port} ssl;",
        "http://127.0.0.1:8080": gateway.url,
        "/etc/nginx/soundlift.crt": str(certificate),
        "/etc/nginx/soundlift.key": str(key),
        "/var/log/nginx": str(folder),
    }.items():
        assert name in documented
        documented = documented.replace(name, value)
    context = ssl.create_default_context(cafile=str(authority.ca_file))

    def open_(request: str, headers: dict[str, str], body: bytes = b"", source: str = LOOPBACK) -> socket.socket:
        connection = socket.create_connection((LOOPBACK, port), 30, (source, 0))
        secure = context.wrap_socket(connection, server_hostname=HOST)
        lines = [f"{request} HTTP/1.1", f"Host: {HOST}", *(f"{name}: {value}" for name, value in headers.items())]
        secure.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return secure

    def answers() -> bool:
        with open_("POST /login", {}) as connection:
            return read_response(connection)[0] == 401

    server = nginx(folder / "nginx", documented, answers)
    server.start()
    try:
        yield open_
    finally:
        server.kill()


def test_clients_that_do_not_read_their_downloads_do_not_occupy_the_function(
    services: Services, tmp_path: Path
) -> None:
    request = f"GET /download?fid={ready_job(services, bytes(MP3_BYTES)).mp3_fid}"
    with (
        served_gateway(services, threads=2) as gateway,
        proxied(gateway, tmp_path) as open_,
        ExitStack() as stack,
    ):
        for number in range(6):
            connection = stack.enter_context(open_(request, bearer(services), source=f"127.0.0.{10 + number}"))
            assert connection.recv(12) == b"HTTP/1.1 200", "it reads no further"
            wait_for(lambda: downloaded(open_, request, services) == MP3_BYTES, "another client downloads the file")


def test_an_address_may_send_a_few_uploads_at_a_time(services: Services, tmp_path: Path) -> None:
    head = {**bearer(services), "Content-Length": "900000000"}
    with (
        served_gateway(services, threads=2 * UPLOADS) as gateway,
        proxied(gateway, tmp_path) as open_,
        ExitStack() as stack,
    ):
        greedy = [stack.enter_context(open_("POST /upload", head, MP4, "127.0.0.9")) for _ in range(2 * UPLOADS)]
        received = dict.fromkeys(greedy, b"")

        def rejected() -> list[bytes]:
            for connection in greedy:
                received[connection] += receive(connection)
            return [answer for answer in received.values() if answer]

        wait_for(lambda: len(rejected()) == UPLOADS, "all but a few are rejected")
        assert {answer[:12] for answer in rejected()} == {b"HTTP/1.1 429"}
        length = {**bearer(services), "Content-Length": str(len(MP4))}
        with open_("POST /upload", length, MP4, "127.0.0.10") as other:
            assert read_response(other)[0] == 202
        with open_("POST /login", {}, source="127.0.0.9") as sign_in:
            assert read_response(sign_in)[0] == 401


def test_an_upload_of_unknown_length_is_not_buffered(services: Services, tmp_path: Path) -> None:
    chunk = b"%x\r\n%s\r\n" % (2 * SMALL_BODY_BYTES, bytes(2 * SMALL_BODY_BYTES))
    with (
        served_gateway(services, threads=2) as gateway,
        proxied(gateway, tmp_path) as open_,
        open_("POST /upload", {"Transfer-Encoding": "chunked"}, chunk) as endless,
    ):
        assert read_response(endless)[0] == 401


def test_the_token_of_a_link_is_not_logged(services: Services, tmp_path: Path) -> None:
    job = ready_job(services, b"sound")
    link = urlsplit(signed_link(job, services.tokens.download_link(str(job.mp3_fid)), services.settings))
    request, port = f"GET {link.path}?{link.query}", free_port()
    with served_gateway(services, threads=2) as gateway, proxied(gateway, tmp_path, port) as open_:
        with open_(request, {}) as connection:
            assert read_response(connection)[2] == b"sound"
        with socket.create_connection((LOOPBACK, port), 30) as connection:
            connection.sendall(f"{request} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert read_response(connection)[0] == 301
        gateway.stop()
        with open_(request, {}) as connection:
            assert read_response(connection)[0] == 502
        log = tmp_path / "soundlift.log"
        wait_for(lambda: log.read_text().count('"GET /download HTTP/1.1"') == 3, "the requests are in the log")
    token = parse_qs(link.query)["token"][0]
    assert [file.name for file in tmp_path.rglob("*.log") if token in file.read_text()] == []


def downloaded(open_: Open, request: str, services: Services) -> int:
    """Return the size of the file that a client downloads."""
    with open_(request, bearer(services)) as connection:
        return len(read_response(connection)[2])


def receive(connection: socket.socket) -> bytes:
    """Return what has arrived."""
    connection.setblocking(False)
    with suppress(ssl.SSLWantReadError):
        return connection.recv(2**16)
    return b""
