"""What an access token can still do once its account was removed or disabled: it is checked without the database.

Until it expires, its user has the jobs as before. But the token can leave nothing behind that outlives it.
"""

from __future__ import annotations

import pytest

from soundlift.common.services import Services
from tests.api.tus import Tus
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.factories.problems import assert_problem
from tests.factories.publishers import RecordingPublisher
from tests.factories.webhooks import endpoint, endpoint_now
from tests.fixtures.functions import Call

ADA = "ada@example.org"
URL = "https://hooks.example.org/"


@pytest.fixture(params=["disable", "remove"])
def authorization(request: pytest.FixtureRequest, services: Services) -> dict[str, str]:
    """Return the header of a user whose account has been disabled or removed since."""
    services.publisher = RecordingPublisher()
    header = bearer(services, ADA)
    getattr(services.users, request.param)(ADA)
    return header


def test_every_kind_of_upload_is_accepted_until_the_token_expires(
    authorization: dict[str, str], function: Call, services: Services
) -> None:
    upload = function("upload")
    assert upload.post("/", data=MP4, headers=authorization).status_code == 202
    assert upload.post("/", json={"url": "https://example.org/a.mp4"}, headers=authorization).status_code == 202
    assert Tus(upload, authorization).create(len(MP4), data=MP4).status_code == 201
    assert len(services.jobs.page(ADA, after=None, limit=10)) == 3


@pytest.mark.parametrize(
    ("name", "path", "wanted"),
    [("login", "/keys", {"name": "backup", "scopes": ["upload"]}), ("hooks", "/", {"url": URL})],
    ids=["key", "webhook"],
)
def test_nothing_is_made_that_a_later_account_with_the_address_would_have(
    authorization: dict[str, str], function: Call, services: Services, name: str, path: str, wanted: dict[str, object]
) -> None:
    assert_problem(function(name).post(path, json=wanted, headers=authorization), 401, code="not_authorized")
    assert (services.webhooks.list(ADA), services.api_keys.list(ADA)) == ([], [])


def test_a_disabled_user_can_remove_a_webhook_but_not_change_it(function: Call, services: Services) -> None:
    hooks, added = function("hooks"), endpoint(services)
    services.users.disable(ADA)
    changed = hooks.patch(f"/{added.id}", json={"url": f"{URL}other"}, headers=bearer(services))
    assert_problem(changed, 401, code="not_authorized")
    assert_problem(hooks.post(f"/{added.id}/secret", headers=bearer(services)), 401, code="not_authorized")
    assert endpoint_now(services, added) == added
    assert hooks.delete(f"/{added.id}", headers=bearer(services)).status_code == 204
