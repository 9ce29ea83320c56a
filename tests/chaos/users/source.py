"""The server from which videos are imported: it has all clips, supports ranges, and breaks some of its answers off."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Self

RANGE = re.compile(r"bytes=([0-9]+)-")
BUSY_EVERY, CUT_EVERY = 16, 3  # of the clips: the first request is refused, or all but the third are broken off
CUTS = 2
IDLE_SECONDS = 30


class ClipSource:
    """The clips of a folder by their names, at `url` while it runs; a query tells imports of the same clip apart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._requests: Counter[str] = Counter()
        self._lock = Lock()
        source = self

        class Handler(BaseHTTPRequestHandler):
            timeout = IDLE_SECONDS

            def do_GET(self) -> None:
                source._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._requests[request.path] += 1
            count = self._requests[request.path]
        content = (self._folder / Path(request.path.partition("?")[0]).name).read_bytes()
        kind = sum(request.path.encode())
        if kind % BUSY_EVERY == 1 and count == 1:
            request.send_response(503)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        etag = f'"{len(content)}"'
        asked = RANGE.fullmatch(request.headers.get("Range", ""))
        first = int(asked[1]) if asked and request.headers.get("If-Range", etag) == etag else 0
        request.send_response(206 if first else 200)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - first))
        request.send_header("ETag", etag)
        request.end_headers()
        is_cut = kind % CUT_EVERY == 0 and count <= CUTS
        end = first + (len(content) - first) // 2 if is_cut else len(content)
        with suppress(OSError):  # fetch was killed
            request.wfile.write(content[first:end])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
