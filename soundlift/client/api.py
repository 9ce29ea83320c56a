"""Requests of one user to one deployment, which are authorized, and repeated where that is safe."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from soundlift.client.connection import Connection, Request
from soundlift.client.errors import ApiError, ClientError
from soundlift.client.retries import Retries, is_temporary
from soundlift.client.session import Credentials, Session

Result = TypeVar("Result")


class Api:
    """The connections, the session and the rule of repetition that the methods of a client share."""

    def __init__(self, connection: Connection, retries: Retries, credentials: Credentials) -> None:
        self.connection = connection
        self.retries = retries
        self.session = Session(connection, retries, credentials)

    def json(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        may_repeat: Callable[[ClientError], bool] = is_temporary,
        **parts: Any,
    ) -> dict[str, Any]:
        """Send a request, with a JSON document if one is given, and return the JSON object in its response."""
        request = Request.of_json(method, path, document, **parts)
        return self.send(request, self.connection.json, may_repeat)

    def send(
        self,
        request: Request,
        send: Callable[[Request, str], Result],
        may_repeat: Callable[[ClientError], bool] = is_temporary,
    ) -> Result:
        """Send a request with the access token; if the server refuses the token, send it once more with a new one."""
        token = self.session.token()
        try:
            return self.retries.run(lambda: send(request, token), may_repeat)
        except ApiError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            if not self.session.renew(token):
                raise self.session.explained(error) from None
        renewed = self.session.token()
        return self.retries.run(lambda: send(request, renewed), may_repeat)
