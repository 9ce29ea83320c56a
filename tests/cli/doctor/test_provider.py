"""Whether people can sign in with the identity provider, and why they cannot."""

from __future__ import annotations

import pytest

from tests.cli.doctor.conftest import Examine, of
from tests.factories.issuer import CLIENT_ID, JWKS, running_issuer

pytestmark = pytest.mark.slow
PART = "sign-in provider"


def test_a_provider_whose_keys_can_be_read_is_ok(examine: Examine) -> None:
    assert of(examine(), PART) == []
    with running_issuer() as issuer:
        found = of(examine(OIDC_ISSUER=issuer.url, OIDC_CLIENT_ID=CLIENT_ID), PART)
        assert found == [("ok", f"{issuer.url} answers, with 1 key for ID tokens", "")]
        settings = {"OIDC_ISSUER": issuer.url, "OIDC_CLIENT_ID": CLIENT_ID, "PUBLIC_URL": "http://soundlift.lan"}
        assert [status for status, _, _ in of(examine(**settings), PART)] == ["ok", "warning"]


def test_each_fault_of_a_provider_is_explained(examine: Examine) -> None:
    with running_issuer() as issuer:
        issuer.answers[JWKS] = lambda: b"{}"
        for settings, expected in (
            ({"OIDC_ISSUER": issuer.url}, "OIDC_CLIENT_ID is missing"),
            ({"OIDC_ISSUER": f"{issuer.url}/"}, f"is that of the issuer '{issuer.url}'; set OIDC_ISSUER to it"),
            ({"OIDC_ISSUER": issuer.url}, "/jwks has no key"),
        ):
            client = {} if "missing" in expected else {"OIDC_CLIENT_ID": CLIENT_ID}
            ((status, detail, _),) = of(examine(**settings, **client), PART)
            assert status == "failed"
            assert expected in detail
