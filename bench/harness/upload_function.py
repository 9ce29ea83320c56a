"""The function upload below its name, as behind a gateway, so that the client can be measured with it alone."""

from __future__ import annotations

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from functions.upload.handler import app as upload

app = DispatcherMiddleware(Response(status=404), {"/upload": upload})
