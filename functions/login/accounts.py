"""The list of all users, for admins."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.users import User
from soundlift.common.errors import Forbidden
from soundlift.common.jobs.quota import Usage, usage_by_user
from soundlift.common.services import Services
from soundlift.common.web.query import whole_number

MAX_PAGE_SIZE = 100


def list_users(request: Request, services: Services) -> ResponseReturnValue:
    """Return a page of the users with their current usage, ordered by address, and the limits of each user."""
    _require_admin(request, services)
    limit = whole_number(request, "limit", default=50, highest=MAX_PAGE_SIZE)
    page = services.users.page(after=request.args.get("after", ""), limit=limit)
    with services.database.read() as connection:
        usage = usage_by_user(connection, [user.email for user in page])
    settings, links = services.settings, {}
    if page and len(page) == limit:
        links["next"] = f"{settings.public_url}/login/users?{urlencode({'limit': limit, 'after': page[-1].email})}"
    return jsonify(
        users=[_document(user, usage[user.email]) for user in page],
        limits={"max_jobs_in_flight": settings.max_jobs_in_flight, "max_stored_bytes": settings.max_stored_bytes},
        links=links,
    )


def _document(user: User, usage: Usage) -> dict[str, Any]:
    return {
        "email": user.email,
        "admin": user.admin,
        "disabled": user.disabled,
        "jobs_in_flight": usage.jobs,
        "stored_bytes": usage.stored_bytes,
    }


def _require_admin(request: Request, services: Services) -> None:
    """Raise NotAuthorized or Forbidden unless a token is that of an admin who still is one."""
    identity = services.tokens.identify(request.headers.get("Authorization"))
    account = services.users.find(identity.username) if identity.admin else None
    if account is None or not account.admin or account.disabled:
        raise Forbidden("Only an admin may list the users.")
