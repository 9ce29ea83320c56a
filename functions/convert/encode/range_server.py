"""Serves one stored video to FFmpeg on loopback, in ranges, so that nothing is copied to disk."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import IO, Any, BinaryIO, cast

from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import FileWrapper

from soundlift.common.media import MediaStore

BLOCK = 256 * 1024
PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
STOP_CHECK_SECONDS = 0.01
LONGEST_HOLD_SECONDS = 10
OPEN_FILE = "soundlift.open_file"


class Source:
    """Is one video at an address nobody can guess, with its file's suffix or without, held back until `opened` is set.

    `error` is the first that the store had. FFmpeg cannot tell us of it: it takes a body that breaks off for
    the end of the file, and returns 0 with half an MP3.
    """

    def __init__(self, store: MediaStore, fid: str, name: str = "") -> None:
        self._store = store
        self._fid = fid
        self.path = f"/{secrets.token_hex(16)}"
        found = PLAIN_SUFFIX.search(name)
        self.suffix = found[0] if found else ""
        self.opened = Event()
        self.error: Exception | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer the one path with the video or a range of it (RFC 9110, section 14), all others with 404."""
        request = Request(environ)
        if request.path.removesuffix(self.suffix) != self.path or not self.opened.wait(LONGEST_HOLD_SECONDS):
            return Response(status=404)(environ, start_response)
        try:
            response = self._answer(request)
        except RequestedRangeNotSatisfiable as error:
            return error.get_response(environ)(environ, start_response)
        except Exception as error:  # unforeseen ones too: see note
            self.note(error)
            response = Response(status=503)
        return response(environ, start_response)

    def note(self, error: Exception) -> None:
        """Remember the first error, also one that nobody foresaw: no trouble of ours may become a verdict."""
        self.error = self.error or error

    def _answer(self, request: Request) -> Response:
        reader = self._store.open(self._fid)
        request.environ[OPEN_FILE] = reader.file
        body = FileWrapper(cast(IO[bytes], _NotingFile(reader.file, self)), BLOCK)
        response = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
        response.content_length = reader.size
        response.call_on_close(reader.file.close)
        try:
            return response.make_conditional(request.environ, accept_ranges=True, complete_length=reader.size)
        except RequestedRangeNotSatisfiable:
            response.close()
            raise


class _NotingFile:
    """Reads on until the store fails, then notes why and ends."""

    def __init__(self, file: BinaryIO, source: Source) -> None:
        self._file = file
        self._source = source
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:  # unforeseen ones too: see Source.note
            self._source.note(error)
            return b""


class _Handler(WSGIRequestHandler):
    """Takes FFmpeg closing a connection early, to seek, for what it is: no news, but the end of a file's use."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close the file, which Werkzeug leaves open where the client hung up."""
        if environ and OPEN_FILE in environ:
            environ[OPEN_FILE].close()

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - Werkzeug's name for it
        """Say nothing."""


@contextmanager
def serving(source: Source) -> Iterator[str]:
    """Yield the URL of a source, served by threads until the end of the block."""
    server = make_server("127.0.0.1", 0, source, threaded=True, request_handler=_Handler)
    thread = Thread(target=server.serve_forever, args=(STOP_CHECK_SECONDS,), name="range-server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}{source.path}"
    finally:
        source.opened.set()
        server.shutdown()
        server.server_close()
        thread.join()
