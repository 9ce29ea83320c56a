"""Serves every function of stack.yml from one process, the way OpenFaaS's gateway does.

Functions that have a topic are for connector and cron alone, and all below /system is for them and for faas-cli: they
need the login that `soundlift up` makes at each start.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from soundlift.common.auth.gateway_login import is_user, user_of
from soundlift.common.errors import InvalidCredentials, NotFound, SettingError
from soundlift.common.services import Services, services_of_process
from soundlift.common.settings import Settings
from soundlift.common.web.application import http_function
from soundlift.local.stack import StackFunction, read_stack
from soundlift.local.system_api import NAMESPACE, SystemApi

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHODS = ("GET", "POST", "PUT", "DELETE")


class Mounted:
    """Is one function behind the gateway, which counts its calls."""

    def __init__(self, function: StackFunction) -> None:
        self.function = function
        self._app: WSGIApplication = import_module(function.module).app
        self._created_at = datetime.now(UTC)
        self._calls = 0
        self._lock = Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, handing both bodies through as they come."""
        with self._lock:
            self._calls += 1
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"  # /NAME is the function's root, as OpenFaaS has it
        return self._app(environ, start_response)

    @property
    def status(self) -> dict[str, Any]:
        """Return what OpenFaaS calls a FunctionStatus."""
        return {
            "name": self.function.name,
            "image": self.function.image,
            "namespace": NAMESPACE,
            "secrets": self.function.secrets,
            "labels": self.function.labels,
            "annotations": self.function.annotations,
            "invocationCount": self._calls,
            "replicas": 1,
            "availableReplicas": 1,
            "createdAt": self._created_at.isoformat(),
        }


class LoginRequired:
    """A function that answers only requests with the gateway's login, and does not see the login itself."""

    def __init__(self, function: WSGIApplication, settings: Settings) -> None:
        self._function = function
        self._settings = settings
        self._refusal = http_function(_refuse, methods=METHODS, max_body_bytes=None)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand a request on, or answer 401."""
        if is_user(self._settings, environ.pop("HTTP_AUTHORIZATION", "")):
            return self._function(environ, start_response)
        # The whole path: below the function's own, that of its health would be answered.
        environ["PATH_INFO"], environ["SCRIPT_NAME"] = environ["SCRIPT_NAME"] + environ["PATH_INFO"], ""
        return self._refusal(environ, start_response)


def gateway() -> WSGIApplication:
    """Mount each function at /NAME, /function/NAME and /function/NAME.NAMESPACE, which faas-cli takes.

    Raises SettingError where a setting is not usable.
    """
    settings = services_of_process().settings
    if not user_of(settings):
        raise SettingError(
            "Setting BASIC_AUTH_PASSWORD is missing: `soundlift up` makes one.", setting="BASIC_AUTH_PASSWORD"
        )
    mounted = {function.name: Mounted(function) for function in read_stack(settings.stack_file)}
    system_api = SystemApi(settings, mounted)
    mounts: dict[str, WSGIApplication] = {}
    for name, one in mounted.items():
        application = LoginRequired(one, settings) if one.function.is_internal else one
        mounts |= dict.fromkeys((f"/{name}", f"/function/{name}", f"/function/{name}.{NAMESPACE}"), application)

    # Neither this nor the refusal reads a body, so none is waited for: strangers would keep out those with the login.
    def system(request: Request, services: Services) -> ResponseReturnValue:
        if request.path == "/healthz":
            return "OK"
        if request.path.startswith("/system/"):
            if not is_user(settings, request.headers.get("Authorization", "")):
                return _refuse(request, services)
            return system_api.answer(request)
        raise NotFound(f"There is no function here. The functions are: {', '.join(mounted)}.")

    return DispatcherMiddleware(http_function(system, methods=METHODS, max_body_bytes=None), mounts)


def _refuse(request: Request, services: Services) -> NoReturn:
    raise InvalidCredentials("This needs the gateway's login, which the connector, cron and the operator have.")
