"""Every example of the page about Python runs, in order, on a running deployment."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from devservers.local_stack import Stack
from soundlift import client as client_package
from soundlift.client import Client
from tests.factories.clips import talking_mp4

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS, EMAIL, PASSWORD = "https://soundlift.example.org", "you@example.org", "a long password"


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack]) -> Iterator[Stack]:
    from soundlift.common.services import Services
    from soundlift.common.settings import Settings

    stack = start()
    services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(stack.data)}))
    services.users.add(EMAIL, services.passwords.hash(PASSWORD))
    services.database.engine.dispose()
    yield stack


@pytest.mark.servers
def test_every_example_runs(stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talking_mp4(tmp_path, name="talk.mp4")
    shutil.copy(tmp_path / "talk.mp4", tmp_path / "holiday.mp4")
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    names: dict[str, Any] = {"__name__": "example"}
    examples = EXAMPLE.findall(PAGE.read_text())
    assert len(examples) >= 7
    with chdir(tmp_path):
        for example in examples:
            exec(compile(example.replace(ADDRESS, stack.url), str(PAGE), "exec"), names)
    for name in ("talk", "part", "talk-v4", "pool-talk.mp4", "async-talk.mp4", "async-holiday.mp4"):
        assert (tmp_path / f"{name}.mp3").read_bytes()[:3] == b"ID3", name
    printed = capsys.readouterr().out
    assert "Refused: unsupported_media_type" in printed
    assert f"\n{EMAIL}\n" in printed


def test_the_page_names_every_method_and_every_error() -> None:
    page = PAGE.read_text()
    methods = [name for name in vars(Client) if not name.startswith("_") and name != "url"]
    assert [name for name in methods if f"`{name}(" not in page] == []
    errors = [
        name for name, one in vars(client_package).items() if isinstance(one, type) and issubclass(one, Exception)
    ]
    assert [name for name in errors if f"| `{name}` |" not in page] == []


def test_the_page_names_every_argument_of_a_client() -> None:
    arguments: Mapping[str, object] = signature(Client).parameters
    page = PAGE.read_text()
    assert [
        name for name in arguments if name not in ("url", "token_source") and not re.search(rf"\b{name}\b", page)
    ] == []
