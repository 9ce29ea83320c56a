"""Schemathesis finds nothing in any function: all of its checks, with valid and invalid requests of several users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from functions.jobs.long_polls import permitted_wait
from soundlift.common.auth.tokens import Identity, Tokens
from soundlift.common.services import Services
from tests.deploy.platforms import PUBLIC, STACK
from tests.fuzz.files import make_files, upload_real_files
from tests.fuzz.provider import running_provider
from tests.fuzz.run import UNLIMITED, Report, fuzz
from tests.fuzz.server import GATEWAY_LOGIN, serving
from tests.fuzz.users import add_examples, write_users

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATHS = {**{name: rf"/{name}(/|$)" for name in STACK}, "web": r"/(web/|docs$|openapi\.yaml$|\{function\}/)"}
JOB_PATHS = r"/(upload|jobs|download)(/|$)"
EXAMPLES = 5
SEQUENCES = 20
SEED = 1
MORE_SEEDS = range(
    SEED, SEED + 10
)  # a run may by chance accept nothing of an operation, or ask for no other user's job
CHEAP_PASSWORDS = {"password_memory_kib": 7 * 1024, "password_passes": 1}


@dataclass
class Target:
    """A server, and the folder with the lists of its users."""

    url: str
    folder: Path

    def fuzz(self, users: str = "users", seed: int = SEED, **options: Any) -> Report:
        return fuzz(self.url, self.folder / f"{users}.json", seed=seed, **options)


@pytest.fixture(scope="module", autouse=True)
def _real_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    upload_real_files(make_files(tmp_path_factory.mktemp("files")))


@pytest.fixture
def target(services: Services, tmp_path: Path) -> Iterator[Target]:
    with running_provider() as provider:
        settings: dict[str, Any] = {**UNLIMITED, **CHEAP_PASSWORDS, **provider, "long_polls": 1}
        services.settings = replace(services.settings, **settings)
        add_examples(services)
        write_users(services, tmp_path / "users.json", gateway_login=GATEWAY_LOGIN)
        write_users(services, tmp_path / "internal.json", gateway_login=GATEWAY_LOGIN, gateway_first=True)
        with permitted_wait(services, 1), serving(services) as url:  # the only place is taken: a stream ends at once
            yield Target(url, tmp_path)


class Snooper(Identity):
    """A user who may see each job of other users, but whose lists have only their own."""

    def may_see(self, username: str) -> bool:
        return True


class NoOwners(Tokens):
    """Tokens whose users may see each job of other users."""

    def identify(self, authorization: str | None) -> Identity:
        return Snooper(**vars(super().identify(authorization)))


@pytest.mark.parametrize("name", STACK)
def test_no_request_makes_a_function_deviate_from_its_description(target: Target, name: str) -> None:
    users = "users" if name in PUBLIC else "internal"
    report = Report()
    for seed in MORE_SEEDS:
        phases = ("examples", "coverage", "fuzzing")
        report.merge(target.fuzz(users, seed, paths=PATHS[name], phases=phases, examples=EXAMPLES))
        assert not report.failures, str(report)
        if not report.never_accepted():
            return
    pytest.fail(f"Only refusals of these operations were tested: {report.never_accepted()}")


def test_no_sequence_of_requests_shows_a_job_to_another_user(target: Target) -> None:
    report = target.fuzz(paths=JOB_PATHS, phases=("stateful",), examples=SEQUENCES)
    assert not report.failures, str(report)


def test_a_function_that_shows_jobs_to_other_users_is_found(services: Services, target: Target) -> None:
    settings = services.settings
    services.tokens = NoOwners(
        settings.jwt_secret, sign_in_seconds=settings.token_seconds, link_seconds=settings.link_seconds
    )
    runs = (target.fuzz(paths=JOB_PATHS, phases=("stateful",), examples=SEQUENCES, seed=seed) for seed in MORE_SEEDS)
    assert any("object_level_authorization" in title for report in runs for title in report.failures)
