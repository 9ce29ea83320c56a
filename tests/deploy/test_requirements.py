"""Each image installs what its code imports, with the version ranges of the project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.factories.manifests import image_environment

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ROOT = Path(__file__).parents[2]
PROJECT = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
FUNCTIONS = sorted(path.parent for path in ROOT.glob("functions/*/handler.py"))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_each_requirement_of_a_function_has_the_range_of_the_project(function: Path) -> None:
    requirements = (function / "requirements.txt").read_text().splitlines()
    assert requirements
    assert set(requirements) <= PROJECT


IMPORTED = """
import importlib.metadata, sys
from functions.{}.handler import app
app.open_services()
import soundlift.common.metrics.endpoint
distributions = importlib.metadata.packages_distributions()
for name in {{module.partition(".")[0] for module in sys.modules}}:
    print(*distributions.get(name, []), sep="\\n")
"""
# Flask requires click; structlog imports rich, and PyJWT cryptography, if they are installed.
INDIRECT = {"click", "cryptography", "rich"}


def _names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\[<>=~ ]", each, maxsplit=1)[0].lower() for each in requirements}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_function_imports_only_what_it_requires(function: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SOUNDLIFT_DATA": str(tmp_path),
        "JWT_SECRET": "a secret of 32 bytes, or of some more",
        "METRICS_PORT": image_environment()["METRICS_PORT"],
    }
    command = [sys.executable, "-c", IMPORTED.format(function.name)]
    printed = subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True).stdout
    imported = {name.lower() for name in printed.split()} & _names(PROJECT)
    assert imported - INDIRECT <= _names((function / "requirements.txt").read_text().splitlines())


IMAGES = [*FUNCTIONS, ROOT / "deploy" / "images" / "cli"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_an_image_with_a_database_has_the_driver_of_every_server(image: Path) -> None:
    names = _names((image / "requirements.txt").read_text().splitlines())
    assert {"sqlalchemy", "pymysql", "psycopg"} & names in (set(), {"sqlalchemy", "pymysql", "psycopg"})


CONNECTOR = ROOT / "deploy" / "images" / "connector" / "requirements.txt"
IMPORTED_BY_CONNECTOR = """
import importlib.metadata, sys
import soundlift.connector.__main__
from soundlift.common.broker import open_broker
from soundlift.common.settings import Settings
for url in ("amqp://host", "sqlite:///queue.db"):
    open_broker(Settings.from_environment({"BROKER_URL": url}))
distributions = importlib.metadata.packages_distributions()
for name in {module.partition(".")[0] for module in sys.modules}:
    print(*distributions.get(name, []), sep="\\n")
"""


def test_the_connector_imports_only_what_it_requires_and_neither_sqlalchemy_nor_flask() -> None:
    requirements = CONNECTOR.read_text().splitlines()
    assert set(requirements) <= PROJECT
    command = [sys.executable, "-c", IMPORTED_BY_CONNECTOR]
    printed = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    imported = {name.lower() for name in printed.split()} & _names(PROJECT)
    assert {"pika", "cloudevents"} <= imported
    assert imported - INDIRECT <= _names(requirements)
    assert "sqlalchemy" not in imported | _names(requirements)
    assert "flask" not in imported  # the requirement is for Werkzeug
