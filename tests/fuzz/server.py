"""All functions in this process, behind one HTTP server on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from soundlift.common.services import Services
from soundlift.local.gateway import LoginRequired
from soundlift.local.page import PAGE, PageAtRoot
from tests.deploy.platforms import PUBLIC, STACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GATEWAY_LOGIN = "admin:the password of the gateway"


class Mounted:
    """A function below its name, as the local gateway mounts it."""

    def __init__(self, name: str, services: Services) -> None:
        self._app = import_module(f"functions.{name}.handler").app
        self._app.services = services

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request. The response is closed here, since this server does not close it after a disconnection."""
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"
        with closing(self._app(environ, start_response)) as response:
            return list(response)


class QuietHandler(WSGIRequestHandler):
    """A handler that does not print each request."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Print nothing."""


def all_functions(services: Services) -> WSGIApplication:
    user, password = GATEWAY_LOGIN.split(":")
    settings = replace(services.settings, basic_auth_user=user, basic_auth_password=password)
    mounts = {f"/{name}": Mounted(name, services) for name in STACK}
    for name in set(STACK) - set(PUBLIC):
        mounts[f"/{name}"] = LoginRequired(mounts[f"/{name}"], settings)
    page = mounts[f"/{PAGE}"]
    return DispatcherMiddleware(PageAtRoot(page, page), mounts)


@contextmanager
def serving(services: Services) -> Iterator[str]:
    """Yield the address of the server."""
    server = make_server("127.0.0.1", 0, all_functions(services), threaded=True, request_handler=QuietHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
