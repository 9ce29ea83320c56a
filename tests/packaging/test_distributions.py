"""The sdist and the wheel are complete, and an installed wheel runs from any folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from devservers.ports import free_port

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
MISLEADING = {"queue.py": "", "functions/login/handler.py": "", "soundlift/local/gateway.py": "", "stack.yml": "x"}
MADE_BY_VENV = {"pip", "setuptools"}
PROGRAM = """
from soundlift.client import Client

client: int = Client("http://127.0.0.1:8080")
"""


def tracked(*folders: str) -> set[str]:
    """Return the files of the repository, without those that are deleted in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and from that the wheel, into a folder."""
    folder = tmp_path_factory.mktemp("distributions")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return distributions / f"soundlift-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment, and return the folder of its programs."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a folder whose files must not be imported, and an environment without the checkout and its programs."""
    folder = tmp_path / "else where"
    for name, text in MISLEADING.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text or "raise SystemExit('imported from the current folder')")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    yield folder, {**environment, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}


def test_the_wheel_has_one_top_level_package_with_everything_that_up_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {"soundlift", f"soundlift-{VERSION}.dist-info"}
    assert {name for name in names if name.startswith("soundlift/deployment/")} == {
        f"soundlift/deployment/{name}" for name in tracked("functions", "stack.yml")
    }
    assert {name for name in names if name.startswith("soundlift/")} >= tracked("soundlift")
    assert "soundlift/py.typed" in names
    assert "soundlift/deployment/functions/web/page/index.html" in names


def test_what_a_user_installs_is_listed_with_the_pinned_versions(programs: Path, tmp_path: Path) -> None:
    """As `make sbom` does; cyclonedx-py validates its output."""
    command = [Path(sys.executable).with_name("cyclonedx-py"), "environment", "--pyproject", ROOT / "pyproject.toml"]
    subprocess.run([*command, "--output-file", tmp_path / "sbom.json", programs / "python"], check=True)
    document = json.loads((tmp_path / "sbom.json").read_text())
    listed = {f"{one['name']}=={one['version']}" for one in document["components"] if one["name"] not in MADE_BY_VENV}
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "soundlift"
    assert {"Flask", "gunicorn", "imageio-ffmpeg", "SQLAlchemy"} <= {line.partition("==")[0] for line in listed}
    assert listed <= set((ROOT / "constraints.txt").read_text().splitlines())
    assert not {"pytest", "ruff", "mypy"} & {one["name"] for one in document["components"]}


def test_the_sdist_has_every_file_of_the_repository(distributions: Path) -> None:
    with tarfile.open(distributions / f"soundlift-{VERSION}.tar.gz") as archive:
        names = {member.name.removeprefix(f"soundlift-{VERSION}/") for member in archive if not member.isdir()}
    assert names >= tracked()


def test_an_editable_installation_has_no_copies_of_what_the_checkout_serves(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    pip = [str(tmp_path / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)], check=True)
    (packages,) = tmp_path.glob("lib/*/site-packages")
    installed = {path.name for path in packages.iterdir() if "soundlift" in path.name}
    assert installed == {f"soundlift-{VERSION}.dist-info", "_editable_impl_soundlift.pth"}


def test_the_installed_demo_converts_its_own_video_in_any_folder(
    programs: Path, elsewhere: tuple[Path, dict[str, str]]
) -> None:
    folder, environment = elsewhere
    ended = subprocess.run(
        [programs / "soundlift", "demo"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert (folder / "soundlift-demo" / "melody.mp3").stat().st_size > 10_000
    assert f"Next:     {programs / 'soundlift'} up" in ended.stdout.replace("'", "")
    assert "gateway.log" not in ended.stdout + ended.stderr


def test_the_installed_up_serves_functions_and_page_in_any_folder(
    programs: Path, elsewhere: tuple[Path, dict[str, str]]
) -> None:
    folder, environment = elsewhere
    url = f"http://127.0.0.1:{free_port()}"
    command = [programs / "soundlift", "up", "--port", url.rpartition(":")[2]]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout is not None
            assert up.stdout.readline() == f"Open {url} in a browser.\n"
            for path, status in (("/", 200), ("/web/", 200), ("/login", 405), ("/jobs", 401), ("/download", 401)):
                assert urllib3.request("GET", url + path, retries=False, timeout=30).status == status, path
        finally:
            up.send_signal(signal.SIGTERM)
            rest = up.stdout.read() if up.stdout else ""
    assert up.returncode == 0
    assert f"{programs / 'soundlift'} user add" in rest
    assert (folder.parent / "share" / "soundlift" / "soundlift.db").exists()


def test_type_checkers_see_the_types_of_the_installed_client(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--python-executable", str(programs / "python"), "program.py"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    checked = subprocess.run(
        command, cwd=tmp_path, env=environment, check=False, stdout=subprocess.PIPE, text=True
    ).stdout
    assert 'expression has type "Client", variable has type "int"' in checked
    assert checked.count("error:") == 1
