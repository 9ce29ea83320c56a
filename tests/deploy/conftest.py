"""Programs that the tests of manifests and scripts require."""

from __future__ import annotations

import shutil

import pytest

from devservers.server import NotInstalled


@pytest.fixture(scope="session")
def kubectl() -> str:
    return _find("kubectl", "see https://kubernetes.io/docs/tasks/tools/")


@pytest.fixture(scope="session")
def shasum() -> str:
    return _find("shasum", "it is part of Perl")


def _find(program: str, how: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NotInstalled(program, how)
    return found
