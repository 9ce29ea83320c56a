"""The chaos suite can fail: with one safeguard switched off, a short schedule breaks the promise, and a check finds it.

With all safeguards on, the same schedule breaks nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devservers.local_stack import Start
from tests.chaos.accounts.accountant import CHECKS, sentence
from tests.chaos.safeguards.scenarios import SCENARIOS, Scenario
from tests.chaos.safeguards.stack import GuardedStack
from tests.fixtures.local_stack import starting

pytestmark = [pytest.mark.servers, pytest.mark.slow]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Return a function that starts a stack, which is stopped at the end of the test."""
    with starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(params=SCENARIOS, ids=[scenario.safeguard for scenario in SCENARIOS])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


def violated(scenario: Scenario, start: Start, folder: Path, password_hash: str, *, off: str) -> set[str]:
    """Let a scenario happen, and return the checks that fail."""
    stack = GuardedStack(start, folder, password_hash, off=off, disk_error=scenario.disk_error)
    with closing(stack):
        scenario.happen(stack)
        found = stack.violations()
    sys.stdout.writelines(f"{one}\n" for one in found)
    return {one.check for one in found}


def test_a_safeguard_that_is_off_is_missed(
    scenario: Scenario, start: Start, tmp_path: Path, password_hash: str
) -> None:
    found = violated(scenario, start, tmp_path / "off", password_hash, off=scenario.safeguard)
    assert found >= scenario.found_by


def test_with_all_safeguards_the_same_breaks_nothing(
    scenario: Scenario, start: Start, tmp_path: Path, password_hash: str
) -> None:
    assert violated(scenario, start, tmp_path / "on", password_hash, off="") == set()


def test_each_scenario_names_checks_that_exist() -> None:
    assert set().union(*(scenario.found_by for scenario in SCENARIOS)) <= {sentence(check) for check in CHECKS}
