"""Returns which user a token or an API key identifies."""

from __future__ import annotations

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from soundlift.common.web.cross_origin import allow_cross_origin


def validate(request: Request, services: Services) -> ResponseReturnValue:
    """Return the claims of an access token, or what is known of an API key, and the user in headers for a proxy."""
    identity = services.identify(request.headers.get("Authorization"), scope=None)
    response = jsonify(status="OK", claims=identity.claims)
    response.headers["X-Auth-Username"] = identity.username.encode().decode("latin-1")
    response.headers["X-Auth-Admin"] = str(identity.admin).lower()
    return response


app = http_function(validate, methods=["GET", "POST"], needs=["tokens"])
allow_cross_origin(app)
