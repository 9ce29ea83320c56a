"""The greeting of `up` begins with the page's address, and says whether links work on other machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundlift.common.settings import Settings
from soundlift.local.environment import stack_environment
from soundlift.local.greeting import greeting


def greet(data: Path, host: str = "127.0.0.1", **environment: str) -> list[str]:
    variables = stack_environment(environment, host=host, port=8080, data=data)
    return greeting(Settings.from_environment(variables), catches_mail=True).splitlines()


def test_the_first_line_is_the_address_of_the_page(tmp_path: Path) -> None:
    lines = greet(tmp_path)
    assert lines[0] == "Open http://127.0.0.1:8080 in a browser."
    assert lines[1] == ""
    assert f"  soundlift user add you@example.org --data {tmp_path}" in lines
    assert "  soundlift convert video.mp4" in lines


def test_links_begin_with_public_url_if_other_machines_can_connect(tmp_path: Path) -> None:
    lines = greet(tmp_path, "0.0.0.0", PUBLIC_URL="https://soundlift.example.org")
    assert lines[0] == "Open http://127.0.0.1:8080 in a browser."
    assert lines[1] == "Other machines: https://soundlift.example.org"


def test_links_that_work_on_this_machine_only_are_a_warning(tmp_path: Path) -> None:
    lines = greet(tmp_path, "0.0.0.0", PUBLIC_URL="http://localhost:8080")
    assert lines[1].startswith("Warning: links in mails begin with http://localhost:8080, which works on this machine")


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7"])
def test_links_begin_with_the_address_that_up_listens_on(tmp_path: Path, host: str) -> None:
    assert stack_environment({}, host=host, port=81, data=tmp_path)["PUBLIC_URL"] == f"http://{host}:81"


def test_links_begin_with_an_address_of_this_machine_if_up_listens_on_all(tmp_path: Path) -> None:
    environment = stack_environment({}, host="0.0.0.0", port=81, data=tmp_path)
    assert "0.0.0.0" not in environment["PUBLIC_URL"]
    assert environment["GATEWAY_URL"] == "http://127.0.0.1:81"
