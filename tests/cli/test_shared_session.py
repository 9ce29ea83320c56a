"""A command uses the tokens that another command has saved meanwhile, instead of renewing the session twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devservers.waiting import wait_for
from soundlift.cli.profiles import Profile, SavedSession
from soundlift.cli.shared_session import SharedSession

NOWHERE = "http://127.0.0.1:1"  # a request would fail


def saved(access_token: str) -> SavedSession:
    return SavedSession(url=NOWHERE, email="a@example.org", access_token=access_token, refresh_token="refresh")


class CountingProfile(Profile):
    """A profile that counts how often it was read."""

    reads = 0

    def load(self) -> SavedSession | None:
        found = super().load()
        self.reads += 1
        return found


def test_a_token_that_another_command_has_renewed_is_used(tmp_path: Path) -> None:
    profile = Profile(folder=tmp_path / "profiles")
    session = SharedSession(profile, NOWHERE)
    profile.save(saved("old"))
    assert session.token() == "old"
    profile.save(saved("new"))
    assert session.token("old") == "new"


def test_a_command_waits_for_another_that_is_renewing_and_uses_its_token(tmp_path: Path) -> None:
    profile, other = CountingProfile(folder=tmp_path / "profiles"), Profile(folder=tmp_path / "profiles")
    other.save(saved("old"))
    with ThreadPoolExecutor(1) as pool:
        with other.locked():
            token = pool.submit(SharedSession(profile, NOWHERE).token, "old")
            wait_for(lambda: profile.reads, "the command has read the old token")
            other.save(saved("new"))
        assert token.result(60) == "new"
