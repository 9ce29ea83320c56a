"""An HTTP server that serves a stored video to FFmpeg over loopback, so that nothing is copied to disk."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import DEVNULL
from threading import Thread
from typing import IO, Any, BinaryIO, cast

from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import FileWrapper

from soundlift.common.media import MediaReader, MediaStore

from .picture_ranges import FileWithoutPictures, Range, picture_ranges

BLOCK = 256 * 1024
PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
STOP_CHECK_SECONDS = 0.01
OPEN_FILE = "soundlift.open_file"


def url_suffix(name: str) -> str:
    """Return the suffix of a file name if it can be part of a URL, otherwise ""."""
    match = PLAIN_SUFFIX.search(name)
    return match[0] if match else ""


class Source:
    """A WSGI application that serves a stored video, without most of its pictures, at a path that cannot be guessed.

    `error` is the first error of the media store. FFmpeg cannot report it: it treats a truncated response as the end of
    the file, and exits with 0 and half an MP3.
    """

    def __init__(self, store: MediaStore, fid: str, suffix: str = "") -> None:
        self._store = store
        self._fid = fid
        self.path = f"/{secrets.token_hex(16)}{suffix}"
        self.error: Exception | None = None
        self._ranges: Sequence[Range] | None = None

    def stdin(self) -> int:
        """Return DEVNULL, because FFmpeg reads from the URL."""
        return DEVNULL

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Respond with the video or a range of it (RFC 9110, section 14), and with 404 to any other path."""
        request = Request(environ)
        if request.path != self.path:
            return Response(status=404)(environ, start_response)
        try:
            response = self._answer(request)
        except RequestedRangeNotSatisfiable as error:
            return error.get_response(environ)(environ, start_response)
        except Exception as error:  # any error, see record_error
            self.record_error(error)
            response = Response(status=503)
        return response(environ, start_response)

    def record_error(self, error: Exception) -> None:
        """Keep the first error of any type, so that none is mistaken for a fault of the video."""
        self.error = self.error or error

    def _answer(self, request: Request) -> Response:
        reader = self._store.open(self._fid)
        request.environ[OPEN_FILE] = reader.file
        file = FileWithoutPictures(reader.file, self._picture_ranges(reader))
        body = FileWrapper(cast(IO[bytes], _ErrorRecordingFile(cast(BinaryIO, file), self)), BLOCK)
        response = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
        response.content_length = reader.size
        response.call_on_close(reader.file.close)
        try:
            return response.make_conditional(request.environ, accept_ranges=True, complete_length=reader.size)
        except RequestedRangeNotSatisfiable:
            response.close()
            raise

    def _picture_ranges(self, reader: MediaReader) -> Sequence[Range]:
        """Return the picture ranges, which are computed once."""
        if self._ranges is None:
            try:
                self._ranges = picture_ranges(reader.file, reader.size)
            except BaseException:
                reader.file.close()
                raise
        return self._ranges


class _ErrorRecordingFile:
    """A stored file that ends where the store fails, and records the error."""

    def __init__(self, file: BinaryIO, source: Source) -> None:
        self._file = file
        self._source = source
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:  # any error, see Source.record_error
            self._source.record_error(error)
            return b""


class _Handler(WSGIRequestHandler):
    """A request handler for FFmpeg, which closes connections early in order to seek."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close the file, which Werkzeug leaves open if the client closes the connection."""
        if environ and OPEN_FILE in environ:
            environ[OPEN_FILE].close()

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name that Werkzeug uses
        """Log nothing."""


@contextmanager
def serve(source: Source) -> Iterator[str]:
    """Serve a source, in threads, until the end of the block; yield its URL."""
    server = make_server("127.0.0.1", 0, source, threaded=True, request_handler=_Handler)
    thread = Thread(target=server.serve_forever, args=(STOP_CHECK_SECONDS,), name="range-server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}{source.path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
