"""The local gateway, which serves every function of stack.yml from one process at the paths of OpenFaaS's gateway.

It serves the page, which is the function `web`, at / as well.

Only the connector and cron may call functions that have a topic; they and faas-cli may use the paths below /system.
All of these calls need the login that `soundlift up` generates at each start.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

from flask import Request, Response
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from soundlift.common.auth.gateway_login import has_gateway_login, login_headers
from soundlift.common.errors import InvalidCredentials, NotFound, SettingError
from soundlift.common.services import Services, process_services
from soundlift.common.settings import Settings
from soundlift.common.web.application import Function, http_function
from soundlift.common.web.problems import problem_response
from soundlift.local.mounted_function import NAMESPACE, MountedFunction
from soundlift.local.page import PAGE, PageAtRoot, PageWithSlash
from soundlift.local.stack import read_stack
from soundlift.local.system_api import SystemApi

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class LoginRequired:
    """A wrapper that lets only requests with the gateway's login reach a function, and removes the login from them."""

    def __init__(self, function: WSGIApplication, settings: Settings) -> None:
        self._function = function
        self._settings = settings
        self._refusal = http_function(_refuse, methods=(*METHODS, "OPTIONS"), max_body_bytes=None)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, or respond with 401."""
        if has_gateway_login(self._settings, environ.pop("HTTP_AUTHORIZATION", "")):
            return self._function(environ, start_response)
        # The full path, because http_function would treat the path below the function as its own health check.
        environ["PATH_INFO"], environ["SCRIPT_NAME"] = environ["SCRIPT_NAME"] + environ["PATH_INFO"], ""
        return self._refusal(environ, start_response)


def gateway() -> WSGIApplication:
    """Return the gateway, with each function at /NAME, /function/NAME and, for faas-cli, /function/NAME.NAMESPACE.

    Raises SettingError for an invalid setting.
    """
    settings = process_services().settings
    if not login_headers(settings):
        raise SettingError(
            "Setting BASIC_AUTH_PASSWORD is missing. Start the gateway with `soundlift up`, which generates it.",
            setting="BASIC_AUTH_PASSWORD",
        )
    sys.path.insert(0, str(settings.stack_file.parent.absolute()))  # the handlers of stack.yml are relative to it
    mounted = {entry.name: MountedFunction(entry) for entry in read_stack(settings.stack_file)}
    mounts: dict[str, WSGIApplication] = {}
    for name, function in mounted.items():
        application: WSGIApplication = function
        if function.entry.is_internal:
            application = LoginRequired(function, settings)
        elif name == PAGE:
            application = PageWithSlash(function)
        mounts |= dict.fromkeys((f"/{name}", f"/function/{name}", f"/function/{name}.{NAMESPACE}"), application)

    root: WSGIApplication = _own_paths(settings, mounted)
    if page := mounted.get(PAGE):
        root = PageAtRoot(page, root)
    return DispatcherMiddleware(root, mounts)


def _own_paths(settings: Settings, mounted: dict[str, MountedFunction]) -> Function:
    """Return the gateway's health check and its API below /system; every other path is answered with 404.

    Neither this application nor the refusal reads a body: otherwise, slow clients without the login could block those
    with it.
    """
    system_api = SystemApi(settings, mounted)

    def healthz(request: Request, services: Services) -> ResponseReturnValue:
        return "OK"

    def system(request: Request, services: Services, path: str) -> ResponseReturnValue:
        if not has_gateway_login(settings, request.headers.get("Authorization", "")):
            return _refuse(request, services)
        return system_api.handle(request)

    def nothing(error: Exception) -> Response:
        return problem_response(
            NotFound(f"There is no function at this path. The functions are: {', '.join(mounted)}.")
        )

    app = Function("system", max_body_bytes=None)
    app.handle("/healthz", healthz, methods=["GET"])
    app.handle("/system/<anything:path>", system, methods=METHODS)
    app.register_error_handler(HTTPStatus.NOT_FOUND, nothing)
    return app


def _refuse(request: Request, services: Services) -> NoReturn:
    raise InvalidCredentials(
        "This path needs the gateway's login, which only the connector, cron and the operator have."
    )
