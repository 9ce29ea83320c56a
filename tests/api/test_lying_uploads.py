"""upload over real HTTP: bodies that are not what their headers say, and forms that attack their reader.

Each gets one refusal, leaves no trace in the tables or the store, and takes no memory that depends on its size.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, read_problem, read_response, served
from tests.api.uploads import FORM_TYPE, build_form, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.factories.manifests import allocator_environment

pytestmark = pytest.mark.servers

MEBIBYTE = 2**20
VIDEO = MP4 + bytes(64 * 1024)
FORM = build_form(VIDEO)
FILE = b'Content-Disposition: form-data; name="f"; filename="a.mp4"'
NEXT = b"GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n"
BUFFERS = 32 * MEBIBYTE  # which the allocator keeps; all forms together have more than 100 MiB
GROWTH = 4 * MEBIBYTE  # when the same forms are sent again
PASSES = 4  # a leak grows at each; what the allocator keeps does not


def form(*parts: bytes) -> bytes:
    """Return a form of parts, each a head and a content, without the boundary that ends it."""
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts)


END = b"--x--\r\n"
FIELD = b'Content-Disposition: form-data; name="tag.title"\r\n\r\n'
MP3_FRAMES = (b"\xff\xfb\x90\x64" + bytes(413)) * 5  # which would be found within a nested part
FORMS = {
    "10,000 fields": (form(*[FIELD] * 10_000) + END, 400),
    "10,000 files": (form(*[FILE + b"\r\n\r\n" + MP4] * 10_000) + END, 400),
    "a header of a mebibyte": (
        b"--x\r\nA: " + b"a" * MEBIBYTE + b"\r\n" + FILE + b"\r\n\r\n" + MP4 + b"\r\n" + END,
        413,
    ),
    "an endless header": (b"--x\r\nA: " + b"a" * 8 * MEBIBYTE, 413),
    "10,000 headers": (b"--x\r\n" + b"A: a\r\n" * 10_000 + FILE + b"\r\n\r\n" + MP4 + b"\r\n" + END, 413),
    "a file name of a mebibyte": (build_form(MP4, f'filename="{"a" * MEBIBYTE}"'), 413),
    "a preamble of 8 MiB": (b"\r\n" * 4 * MEBIBYTE + FORM, 413),
    "an epilogue of 8 MiB": (FORM + b"--x\r\n" * (8 * MEBIBYTE // 5), 413),
    "a field of 8 MiB": (form(FIELD + b"a" * 8 * MEBIBYTE) + END, 413),
    "no final boundary": (form(FILE + b"\r\n\r\n" + VIDEO), 400),
    "an unfinished final boundary": (FORM[:-4], 400),
    "no boundary at all": (VIDEO, 400),
    "nothing but the final boundary": (END, 400),
    "the boundary within the file": (build_form(VIDEO + b"\r\n--x\r\n" + VIDEO), 400),
    "the boundary with a suffix within the file": (build_form(VIDEO + b"\r\n--xy" + VIDEO), 400),
    "line feeds alone": (FORM.replace(b"\r\n", b"\n"), 400),
    "two files": (form(FILE + b"\r\n\r\n" + VIDEO, FILE + b"\r\n\r\n" + VIDEO) + END, 400),
    "a file and a field that is no option": (
        form(FILE + b"\r\n\r\n" + VIDEO, FIELD.replace(b"tag.title", b"x")) + END,
        400,
    ),
    "a part without a disposition": (form(b"Content-Type: video/mp4\r\n\r\n" + VIDEO) + END, 400),
    "a nested multipart": (
        form(FILE + b"\r\nContent-Type: Multipart/Mixed; boundary=y\r\n\r\n--y\r\n\r\n" + MP3_FRAMES + b"\r\n--y--")
        + END,
        415,
    ),
    "a mail": (form(FILE + b"\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\n" + MP3_FRAMES) + END, 415),
}
TYPES = {
    "multipart/mixed; boundary=x": 415,
    "multipart/related; boundary=x": 415,
    "Multipart/ByteRanges; boundary=x": 415,
    "multipart/alternative": 415,
    "message/rfc822": 415,
    "message/http": 415,
    "multipart/form-data": 400,
    "multipart/form-data; boundary=": 400,
    "multipart/form-data; boundary=x; boundary=y": 400,
    "multipart/form-data; boundary=y; Boundary=x": 400,
    "multipart/form-data; x-boundary=y; boundary=x": 400,
    "multipart/form-data; xboundary=y; boundary=x": 400,
    "multipart/form-data; boundary*=utf-8''x; boundary=x": 400,
    "multipart/form-data; boundary*0=x": 400,
    f"multipart/form-data; boundary={'x' * 71}": 400,
    f"multipart/form-data; boundary={'x' * 5000}": 400,
    'multipart/form-data; boundary="x "': 400,
    "multipart/form-data; boundary=\xff": 400,
    "multipart/form-data, multipart/form-data; boundary=x": 415,
}
LENGTHS = ["-1", "+5", "0x10", "1e3", "5, 5", "5 5", "٥", "", "9" * 30, f"{len(VIDEO)}\r\nContent-Length: 5"]


@pytest.fixture
def server(services: Services) -> Iterator[FunctionServer]:
    with served("upload", services, allocator_environment()) as server:
        yield server


def head(services: Services, headers: dict[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in {"Host": "a", **bearer(services), **headers}.items()]
    return "\r\n".join(["POST / HTTP/1.1", *lines, "", ""]).encode("latin-1", "replace")


def send(connection: socket.socket, data: bytes) -> None:
    with suppress(ConnectionError):  # the server may respond and close before it has read everything
        connection.sendall(data)


def answers(server: FunctionServer, data: bytes) -> bytes:
    """Send bytes, end the sending, and return everything that the server sends until it closes the connection."""
    received = b""
    with server.open() as connection:
        send(connection, data)
        with suppress(ConnectionError):
            connection.shutdown(socket.SHUT_WR)
            received += b"".join(iter(lambda: connection.recv(2**16), b""))
    return received


def upload(server: FunctionServer, services: Services) -> int:
    """Return the status of an upload that is as it should be."""
    headers = {**bearer(services), "Content-Length": str(len(VIDEO)), "Connection": "close"}
    with server.connect("POST /", headers, VIDEO) as connection:
        return read_response(connection)[0]


def refuse_all_forms(server: FunctionServer, services: Services) -> int:
    """Send each form with and without a length, check its refusal, and return the peak memory of the server so far."""
    for label, (body, status) in FORMS.items():
        for length in ({"Content-Length": str(len(body))}, {"Transfer-Encoding": "chunked"}):
            sent = body if "Content-Length" in length else f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
            with server.open() as connection:
                send(connection, head(services, {**length, "Content-Type": FORM_TYPE}) + sent)
                problem = read_problem(connection)
            assert problem["status"] == status, f"{label}: {problem}"
            assert problem["detail"].endswith("."), label
            assert server.answers(), label
    return server.peak_memory()


def test_no_form_leaves_a_trace_holds_a_thread_or_takes_memory(server: FunctionServer, services: Services) -> None:
    assert upload(server, services) == 202
    before, memory = traces(services), server.peak_memory()
    peak = refuse_all_forms(server, services)
    assert peak - memory < BUFFERS
    growth = []
    while len(growth) < PASSES and min(growth, default=GROWTH) >= GROWTH:
        earlier, peak = peak, refuse_all_forms(server, services)
        growth.append(peak - earlier)
    assert min(growth) < GROWTH, growth
    assert traces(services) == before
    assert upload(server, services) == 202


def test_a_type_that_holds_no_single_file_is_refused_whatever_the_body_is(
    server: FunctionServer, services: Services
) -> None:
    for kind, status in TYPES.items():
        for body in (VIDEO, FORM, MP3_FRAMES):
            with server.open() as connection:
                send(connection, head(services, {"Content-Type": kind, "Content-Length": str(len(body))}) + body)
                problem = read_problem(connection)
            assert problem["status"] == status, f"{kind}: {problem}"
    assert traces(services) == []
    assert upload(server, services) == 202


def test_a_content_coding_is_refused(server: FunctionServer, services: Services) -> None:
    for coding in ("gzip", "GZIP", "deflate, gzip", "br", "aes128gcm", "x"):
        with server.open() as connection:
            send(connection, head(services, {"Content-Encoding": coding, "Content-Length": str(len(VIDEO))}) + VIDEO)
            status, headers, body = read_response(connection)
        assert (status, headers["accept-encoding"]) == (415, "identity"), coding
        assert b"Content-Encoding" in body
    assert traces(services) == []


def test_a_length_that_is_not_one_number_is_refused(server: FunctionServer, services: Services) -> None:
    for length in LENGTHS:
        received = answers(server, head(services, {"Content-Length": length}) + VIDEO)
        assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), (length, received[:200])
        assert received.count(b"HTTP/1.1 ") == 1, length
    assert traces(services) == []


def test_bytes_after_the_announced_length_make_no_second_job(server: FunctionServer, services: Services) -> None:
    rests = [VIDEO, bytes(2 * MEBIBYTE), b"\xff" * 100, b"\r\n\r\n" + VIDEO, NEXT[:-2] + VIDEO]
    for number, rest in enumerate(rests, 1):
        received = answers(server, head(services, {"Content-Length": str(len(VIDEO))}) + VIDEO + rest)
        assert received.startswith(b"HTTP/1.1 202 "), rest[:10]
        assert received.count(b"HTTP/1.1 202 ") == 1
        assert len(services.jobs.page(None)) == number
    assert upload(server, services) == 202


def test_bytes_after_the_last_chunk_make_no_second_job(server: FunctionServer, services: Services) -> None:
    chunked = f"{len(VIDEO):x}\r\n".encode() + VIDEO + b"\r\n0\r\n\r\n"
    received = answers(server, head(services, {"Transfer-Encoding": "chunked"}) + chunked + VIDEO)
    assert received.startswith(b"HTTP/1.1 202 ")
    assert received.count(b"HTTP/1.1 202 ") == 1
    assert len(services.jobs.page(None)) == 1


def test_a_body_with_both_framings_is_refused(server: FunctionServer, services: Services) -> None:
    headers = {"Content-Length": str(len(VIDEO)), "Transfer-Encoding": "chunked"}
    received = answers(
        server, head(services, headers) + f"{len(VIDEO):x}\r\n".encode() + VIDEO + b"\r\n0\r\n\r\n" + NEXT
    )
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert traces(services) == []


@pytest.mark.parametrize("kind", ["raw", "form"])
def test_an_upload_cut_at_any_stage_leaves_no_trace(server: FunctionServer, services: Services, kind: str) -> None:
    body = FORM if kind == "form" else VIDEO
    headers = {"Content-Length": str(len(body))} | ({"Content-Type": FORM_TYPE} if kind == "form" else {})
    stages = [0, 1, 3, 40, FORM.index(b"\r\n\r\n") + 2, 200, 1024, len(body) // 2, len(body) - 9, len(body) - 1]
    for end in stages:
        received = answers(server, head(services, headers) + body[:end])
        assert received.startswith(b"HTTP/1.1 400 "), (end, received[:200])
        assert traces(services) == [], end
    assert upload(server, services) == 202


def test_uploads_that_break_off_free_their_threads(server: FunctionServer, services: Services) -> None:
    half = head(services, {"Content-Length": str(4 * MEBIBYTE)}) + MP4 + bytes(2 * MEBIBYTE)
    with ExitStack() as stack:
        for _ in range(services.settings.max_jobs_in_flight):
            send(stack.enter_context(server.open()), half)
        wait_for(lambda: len(traces(services)) >= services.settings.max_jobs_in_flight, "all have begun")
    wait_for(lambda: traces(services) == [], "all are rolled back")
    assert upload(server, services) == 202
