"""One Chromium and one `soundlift up` for all browser tests, an account and a browser context for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from devservers.chromium import running_chromium
from devservers.local_stack import Stack
from devservers.oidc_provider import OidcProvider, running_oidc_provider
from devservers.webhook_receiver import WebhookReceiver
from soundlift.common.auth.passwords import Passwords
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.browser.visits import PATIENCE_MILLISECONDS, Visit, Visits
from tests.factories.accounts import PASSWORD
from tests.factories.clips import PICTURE, ffmpeg, talking_mp4
from tests.fixtures.local_stack import starting

TOKEN_SECONDS = "60"  # so short that the page renews its token within a few tests
TO_LOOPBACK = {"OUTBOUND_ALLOW": "127.0.0.1", "OUTBOUND_PORTS": "*"}  # where tests receive webhooks
_numbers = itertools.count(1)


def next_account(services: Services, password_hash: str, *, admin: bool) -> str:
    """Add an account, and return its address, which comes before those of the other users."""
    email = f"{'root' if admin else 'ada'}-{9999 - next(_numbers)}@example.org"
    services.users.add(email, password_hash, admin=admin)
    return email


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    """Return the identity provider of the stack."""
    with running_oidc_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, provider: OidcProvider) -> Iterator[Stack]:
    oidc = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": "soundlift", "OIDC_CLIENT_SECRET": "secret"}
    with starting(tmp_path_factory) as start:
        yield start(
            TOKEN_SECONDS=TOKEN_SECONDS,
            SIGN_UP="true",
            PASSWORD_RESET="true",
            OIDC_NAME="Example",
            OIDC_SIGN_UP="true",
            **oidc,
            **TO_LOOPBACK,
        )


@pytest.fixture(scope="session")
def stack_services(stack: Stack) -> Iterator[Services]:
    """Return the services of the running stack, for what a test does behind the page's back."""
    environment = {"SOUNDLIFT_DATA": str(stack.data), "SECRETS_FOLDER": str(stack.data / "secrets")}
    services = Services(Settings.from_environment(environment))
    yield services
    services.database.engine.dispose()


@pytest.fixture(scope="session")
def stack_password_hash() -> str:
    return Passwords(Settings()).hash(PASSWORD)


@pytest.fixture
def account(stack_services: Services, stack_password_hash: str) -> str:
    """Return the address of a new account, whose password is PASSWORD."""
    return next_account(stack_services, stack_password_hash, admin=False)


@pytest.fixture
def admin(stack_services: Services, stack_password_hash: str) -> str:
    """Return the address of a new admin, whose password is PASSWORD."""
    return next_account(stack_services, stack_password_hash, admin=True)


@pytest.fixture
def visits(browser: Browser, stack: Stack) -> Iterator[Visits]:
    """Return a function that opens the page in a new browser context; each must end without an error in its console."""
    with Visits(browser, stack.url) as visits:
        yield visits


@pytest.fixture
def visit(visits: Visits, account: str) -> Visit:
    """Return the page, with a new user signed in."""
    visit = visits()
    visit.sign_in(account)
    return visit


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of three seconds."""
    return talking_mp4(tmp_path_factory.mktemp("video"), name="Holiday.mp4")


@pytest.fixture(scope="session")
def silent_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video without sound."""
    return ffmpeg(tmp_path_factory.mktemp("video") / "Silent.mp4", *PICTURE, "-c:v", "mpeg4")


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server
