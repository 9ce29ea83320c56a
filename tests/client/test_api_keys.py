"""A client with an API key sends it with each request, and neither signs in nor renews anything."""

from __future__ import annotations

import pytest

from soundlift.client import ApiError, BadArgument, Client
from soundlift.common.auth.scopes import Scope
from soundlift.common.services import Services
from tests.client.conftest import EMAIL
from tests.client.servers import Deployment
from tests.factories.api_keys import new_key, revoke


def test_a_key_is_used_instead_of_a_sign_in(deployment: Deployment, services: Services) -> None:
    key = new_key(services, Scope.JOBS_READ)
    with Client(deployment.url, api_key=key.text) as client:
        assert client.validate()["scopes"] == ["jobs:read"]
        assert list(client.jobs()) == []
        client.sign_out()
        with pytest.raises(BadArgument, match="needs no sign-in"):
            client.login()
    assert deployment.lines == ["GET /validate", "GET /jobs"]


def test_a_refused_key_is_sent_once_and_the_error_says_what_to_do(deployment: Deployment, services: Services) -> None:
    key = new_key(services)
    revoke(services, key)
    with pytest.raises(ApiError, match=f"{key.start}….*was revoked.*`soundlift key add`") as refused:
        list(Client(deployment.url, api_key=key.text).jobs())
    assert (refused.value.status, refused.value.code) == (401, "not_authorized")
    assert key.text not in str(refused.value)
    assert deployment.lines == ["GET /jobs"]


def test_a_missing_scope_is_named(deployment: Deployment, services: Services) -> None:
    client = Client(deployment.url, api_key=new_key(services, Scope.UPLOAD).text)
    with pytest.raises(ApiError, match="lacks the scope jobs:read") as refused:
        list(client.jobs())
    assert (refused.value.status, refused.value.code) == (403, "insufficient_scope")


def test_the_key_in_the_environment_is_used_unless_other_credentials_are_given(
    deployment: Deployment, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDLIFT_API_KEY", f"{new_key(services, email='bob@example.org').text}\n")
    assert Client(deployment.url).validate()["username"] == "bob@example.org"
    token = services.tokens.sign_in(EMAIL, admin=False)
    assert Client(deployment.url, token=token).validate()["username"] == EMAIL
    with pytest.raises(BadArgument, match="either"):
        Client(deployment.url, api_key="slk_", token=token)


def test_a_signed_in_client_makes_lists_and_revokes_keys(client: Client, deployment: Deployment) -> None:
    made = client.keys.make("nightly", ["upload", "jobs:read"], seconds=3600)
    assert made.text is not None
    assert made.text not in repr(made)
    (listed,) = client.keys.list()
    assert (listed.id, listed.name, listed.scopes, listed.state) == (
        made.id,
        "nightly",
        ("upload", "jobs:read"),
        "active",
    )
    assert listed.text is None
    assert listed.created_at is not None and listed.expires_at is not None
    assert (listed.expires_at - listed.created_at).total_seconds() == pytest.approx(3600, abs=1)
    program = Client(deployment.url, api_key=made.text)
    assert list(program.jobs()) == []
    with pytest.raises(ApiError, match="No API key may do this"):
        program.keys.list()
    client.keys.revoke(listed)
    assert [key.state for key in client.keys.list()] == ["revoked"]
    with pytest.raises(ApiError, match="no API key with this id"):
        client.keys.revoke("0" * 24)
