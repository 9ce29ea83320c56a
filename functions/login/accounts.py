"""The list of all users, for admins."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import Forbidden
from soundlift.common.jobs.limits import SETTINGS
from soundlift.common.jobs.quota import Usage, usage_by_user
from soundlift.common.jobs.recent import MINUTE, totals_by_user
from soundlift.common.services import Services
from soundlift.common.web.query import whole_number

MAX_PAGE_SIZE = 100


def list_users(request: Request, services: Services) -> ResponseReturnValue:
    """Return a page of the users with their current usage and the limits that are their own, ordered by address.

    The limits outside the users are those of the settings, which apply to everybody who has no limit of their own.
    """
    _require_admin(request, services)
    limit = whole_number(request, "limit", default=50, highest=MAX_PAGE_SIZE)
    page = services.users.page(after=request.args.get("after", ""), limit=limit)
    emails = [user.email for user in page]
    with services.database.read() as connection:
        usage, lately = usage_by_user(connection, emails), totals_by_user(connection, emails)
    own = services.limits.own(emails)
    links = {}
    if page and len(page) == limit:
        query = urlencode({"limit": limit, "after": page[-1].email})
        links["next"] = f"{services.settings.public_url}/login/users?{query}"
    users = [
        {
            "email": user.email,
            "admin": user.admin,
            "disabled": user.disabled,
            **_usage_document(usage[user.email], *lately.get(user.email, (0, 0.0))),
            "limits": {SETTINGS[name]: value for name, value in own.get(user.email, {}).items()},
        }
        for user in page
    ]
    limits = {setting: getattr(services.settings, setting) for setting in SETTINGS.values()}
    return jsonify(users=users, limits=limits, links=links)


def _usage_document(usage: Usage, uploads: int, seconds: float) -> dict[str, Any]:
    return {
        "jobs_in_flight": usage.jobs,
        "stored_bytes": usage.stored_bytes,
        "uploads_in_hour": uploads,
        "minutes_in_day": round(seconds / MINUTE, 1),
    }


def _require_admin(request: Request, services: Services) -> None:
    """Raise NotAuthorized or Forbidden unless a token or an API key is that of an admin who still is one."""
    identity = services.identify(request.headers.get("Authorization"), scope=Scope.ADMIN)
    account = services.users.find(identity.username) if identity.admin else None
    if account is None or not account.admin or account.disabled:
        raise Forbidden("Only an admin may list the users.")
