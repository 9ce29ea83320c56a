"""The release before the newest migration, whose functions run alongside the new ones during an upgrade."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MIGRATIONS = "soundlift/common/db/migrations/versions"
PARTS = ("functions", "soundlift", "stack.yml")


class NoHistory(Exception):
    """A checkout without the commits that a test needs, such as a shallow clone."""


def git(*arguments: str) -> bytes:
    """Return the output of a command of git in this checkout; raises NoHistory if it fails."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", b"") or str(error).encode()
        raise NoHistory(f"This checkout lacks the history that is needed: {output.decode().strip()}") from None


def extract_earlier_release(folder: Path) -> Path:
    """Write the functions and the shared code of the earlier release to a folder, and return it; raises NoHistory.

    While the newest migration has not been committed, the earlier release is the last commit.
    """
    newest = max(path.name for path in (ROOT / MIGRATIONS).glob("[0-9]*.py"))
    # A merge counts as the commit that added what it brought: what is before it has nothing of that.
    history = ("log", "--first-parent", "-m", "--no-renames", "--diff-filter=A", "--format=%H", "-1")
    added = git(*history, "--", f"{MIGRATIONS}/{newest}").decode().strip()
    archive = git("archive", f"{added}^" if added else "HEAD", *PARTS)
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    if (folder / MIGRATIONS / newest).exists():
        raise NoHistory(f"The commit before {added or 'HEAD'}, which added {newest}, has that migration, too.")
    return folder
