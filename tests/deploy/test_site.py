"""The documentation builds as a site that needs no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r'<(?:script|img|link|source|iframe)\b[^>]*?(?:src|href|srcset)="([^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_document_is_in_the_site(site: Path) -> None:
    documents = {file.stem for file in (ROOT / "docs").glob("*.md")}
    assert documents <= {file.stem for file in site.glob("*.html")}


def test_every_document_is_in_the_navigation(site: Path) -> None:
    navigation = (site / "index.html").read_text()
    for document in (ROOT / "docs").glob("*.md"):
        assert f'href="{document.stem}.html"' in navigation or document.stem == "index", document


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = LOADED.findall(page.read_text())
        assert [address for address in loaded if re.match(r"(?:https?:)?//", address)] == [], page


def test_the_site_contains_no_scripts_that_generate_documents(site: Path) -> None:
    assert list(site.rglob("*.py")) == []
