"""Only the module of the command that runs is imported."""

from __future__ import annotations

import subprocess
import sys

IMPORTED = """
import sys
from soundlift.cli.main import soundlift
soundlift.main(sys.argv[1:], standalone_mode=False)
print(*sorted({"alembic", "sqlalchemy", "soundlift.cli.jobs", "soundlift.cli.reconcile"} & set(sys.modules)))
"""


def imported_by(*arguments: str) -> list[str]:
    """Return which of a few modules a command imports."""
    command = [sys.executable, "-c", IMPORTED, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1].split()


def test_a_command_for_a_server_imports_no_library_of_databases() -> None:
    assert imported_by("jobs", "--help") == ["soundlift.cli.jobs"]


def test_a_command_for_a_database_imports_its_own_module_only() -> None:
    assert imported_by("reconcile", "--help") == ["soundlift.cli.reconcile", "sqlalchemy"]
