"""Serves every function of stack.yml from one process, the way OpenFaaS's gateway does."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import Request, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from soundlift.common.errors import NotFound
from soundlift.common.runtime import http_function
from soundlift.common.services import Services, services_of_process
from soundlift.local.stack import StackFunction, read_stack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NAMESPACE = "openfaas-fn"


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


def gateway() -> WSGIApplication:
    """Mount each function at /function/NAME and /NAME; raises SettingError where stack.yml is not usable."""
    mounted = [Mounted(function) for function in read_stack(services_of_process().settings.stack_file)]
    mounts: dict[str, WSGIApplication] = {f"/{one.function.name}": one for one in mounted}
    mounts |= {f"/function/{one.function.name}": one for one in mounted}

    def system(request: Request, services: Services) -> ResponseReturnValue:
        if request.path == "/healthz":
            return "OK"
        if request.path == "/system/functions":
            return jsonify([one.status for one in mounted])
        names = ", ".join(one.function.name for one in mounted)
        raise NotFound(f"There is no function here. The functions are: {names}.")

    return DispatcherMiddleware(http_function(system, methods=["GET", "POST", "PUT", "DELETE"]), mounts)
