"""Is a response whose file the server sends by itself: gunicorn has the kernel do it, where it is a plain one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO, Any, BinaryIO, cast

from flask import Response
from werkzeug.wsgi import ClosingIterator, FileWrapper, wrap_file

BLOCK = 256 * 1024


class PassedFile(Response):
    """Answers a stored file, whole or in a range, and is closed when the server is done with it.

    Werkzeug does not close a response that passes through; what waits for the end would wait for good.
    """

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(FileWrapper(file, BLOCK), direct_passthrough=True, **options)

    def get_app_iter(self, environ: dict[str, Any]) -> Iterable[bytes]:
        """Return the body as the server can send it best, closing the response at its end."""
        body = super().get_app_iter(environ)
        if isinstance(body, FileWrapper):
            return wrap_file(environ, cast(IO[bytes], _LastUse(body.file, self.close)), BLOCK)
        return body if isinstance(body, ClosingIterator) else ClosingIterator(body, self.close)


class _LastUse:
    """A file that ends its response when it is closed.

    Besides, only `read` and `fileno` are offered: gunicorn's file wrapper needs no more of a file that it sends from
    its beginning.
    """

    def __init__(self, file: IO[bytes], close: Callable[[], None]) -> None:
        self._file = file
        self.close = close

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    def fileno(self) -> int:
        return self._file.fileno()
