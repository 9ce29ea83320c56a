"""HTTP requests as programs of all kinds send them; every outcome is an answer, and none is an exception."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

BLOCK = 16 * 1024
TIMEOUT_SECONDS = 60.0
BOUNDARY = "----chaos-5b0a4e"


@dataclass(frozen=True)
class Answer:
    """What a client got; `status` is None if it got no answer, and `error` says why. `headers` are in lower case."""

    status: int | None
    document: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def job(self) -> str | None:
        found = self.document.get("job_id")
        return str(found) if found else None

    @property
    def code(self) -> str | None:
        found = self.document.get("code")
        return str(found) if found else None

    @property
    def facts(self) -> dict[str, object]:
        """Return what the history records of every answer."""
        return {"status": self.status, "code": self.code, "error": self.error}


@dataclass(frozen=True)
class Body:
    """The body of a request; without a length, it is sent in chunks. `share` of it is sent before an abort."""

    blocks: Iterable[bytes]
    length: int | None
    share: float | None = None


def request(
    url: str, method: str, path: str, headers: Mapping[str, str], body: Body | None = None, *, keep: bool = False
) -> Answer:
    """Send a request on a connection of its own, and return the answer; with `keep`, including its bytes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)
    with closing(connection):
        try:
            _send(connection, method, path, headers, body)
            if body and body.share is not None:
                return Answer(None, error="aborted")
        except (OSError, http.client.HTTPException) as error:
            # The server may have answered before it had read everything.
            return _read(connection, method, keep=keep, otherwise=error)
        return _read(connection, method, keep=keep)


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: Body | None
) -> None:
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is None:
        connection.endheaders()
        return
    if body.length is None:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(body.length))
    connection.endheaders()
    for block in body.blocks:
        connection.send(b"%x\r\n%b\r\n" % (len(block), block) if body.length is None else block)
    if body.length is None and body.share is None:
        connection.send(b"0\r\n\r\n")


def _read(
    connection: http.client.HTTPConnection, method: str, *, keep: bool, otherwise: Exception | None = None
) -> Answer:
    try:
        # `getresponse` would not read the response to a request that is not complete.
        with closing(http.client.HTTPResponse(connection.sock, method=method)) as response:
            response.begin()
            content = response.read()
    except (OSError, http.client.HTTPException, AttributeError, ValueError) as error:  # no socket, no response
        shown = otherwise or error
        return Answer(None, error=f"{type(shown).__name__}: {shown}"[:200])
    document = {}
    if "json" in response.headers.get("Content-Type", ""):
        with suppress(ValueError):
            document = json.loads(content)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(
        response.status, document if isinstance(document, dict) else {}, body=content if keep else b"", headers=headers
    )


def raw_body(file: Path, *, chunked: bool = False, share: float | None = None) -> Body:
    """Return a body that is the file alone; with `share`, only the beginning of it is sent."""
    size = file.stat().st_size
    blocks = _blocks(file, size if share is None else int(size * share))
    return Body(blocks, None if chunked else size, share)


def part_body(file: Path, offset: int, size: int, *, share: float | None = None) -> Body:
    """Return a body that is a part of the file; with `share`, only the beginning of it is sent."""
    with file.open("rb") as opened:
        opened.seek(offset)
        content = opened.read(size)
    return Body([content if share is None else content[: int(len(content) * share)]], len(content), share)


def json_body(document: Mapping[str, object]) -> Body:
    """Return a body that is a JSON object."""
    content = json.dumps(document).encode()
    return Body([content], len(content))


def form_body(file: Path, name: str, content_type: str, fields: Mapping[str, str]) -> Body:
    """Return a multipart form with fields and one file."""
    before = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    before += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head, tail = f"{before}Content-Type: {content_type}\r\n\r\n".encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
    size = file.stat().st_size

    def blocks() -> Iterator[bytes]:
        yield head
        yield from _blocks(file, size)
        yield tail

    return Body(blocks(), len(head) + size + len(tail))


def with_query(path: str, fields: Mapping[str, str]) -> str:
    """Return a path with a query string, if there are fields."""
    return f"{path}?{urlencode(fields)}" if fields else path


def _blocks(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while size > 0 and (block := opened.read(min(BLOCK, size))):
            size -= len(block)
            yield block
