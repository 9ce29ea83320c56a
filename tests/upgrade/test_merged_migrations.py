"""A migration stays as it was merged, since databases that have run it do not run it again."""

from __future__ import annotations

import ast
import os
from functools import cache

import pytest

from tests.upgrade.earlier_release import MIGRATIONS, ROOT, NoHistory, git

# Migrations that were changed after they had been merged, before any release: the commit of the last change, whose text
# they keep.
CHANGED = {
    # It fills in the same times in batches. It followed 0002 until 0003 was merged from another branch.
    "0004_job_changes.py": "332f4e37",
    # It writes the same turns in batches.
    "0006_turns.py": "8adde97c",
    # A type annotation was added.
    "0010_audio_description.py": "5386f919",
    # It followed 0012 as 0013 does, which Alembic refuses to run.
    "0014_direct_uploads.py": "16a345f9",
}
# Migrations that 0001_first_tables.py replaced, also before any release.
REMOVED = {"0001_users_and_jobs.py", "0002_audio_options.py", "0003_quota.py"}


@cache
def merged_in() -> dict[str, str]:
    """Return the commit that brought each migration to this branch, by the name of its file; raises NoHistory."""
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        raise NoHistory("This clone is shallow.")
    # A merge counts as the commit that added what it brought: what its branch did before is not seen.
    history = ("log", "--reverse", "--first-parent", "-m", "--no-renames", "--diff-filter=A", "--name-only")
    commits: dict[str, str] = {}
    for entry in git(*history, "--format=%x00%H", "--", MIGRATIONS).decode().split("\0")[1:]:
        commit, *paths = entry.split()
        for path in paths:
            commits.setdefault(path.removeprefix(f"{MIGRATIONS}/"), commit)
    return {name: commit for name, commit in commits.items() if name[0].isdigit()}


def code(source: bytes) -> str:
    """Return the code of a module without its comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


@pytest.fixture
def merged() -> dict[str, str]:
    try:
        return merged_in()
    except NoHistory as error:
        skip = pytest.fail if os.environ.get("CI") else pytest.skip
        skip(f"Clone the whole history: {error}")


def test_no_merged_migration_was_changed(merged: dict[str, str]) -> None:
    settled = merged | CHANGED
    changed = [
        f"{name} differs from that in {commit}: put what it lacks into a new migration"
        for name, commit in settled.items()
        if name not in REMOVED
        and (file := ROOT / MIGRATIONS / name).exists()
        and code(file.read_bytes()) != code(git("show", f"{commit}:{MIGRATIONS}/{name}"))
    ]
    assert changed == []


def test_no_merged_migration_was_removed_or_renamed(merged: dict[str, str]) -> None:
    assert {name for name in merged if not (ROOT / MIGRATIONS / name).exists()} == REMOVED
