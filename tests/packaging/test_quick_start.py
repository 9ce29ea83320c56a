"""The commands of the README's quick start work, in their order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
import urllib3
import yaml

from devservers.ports import free_port
from soundlift.cli.demo_video import make_demo_video

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PASSWORD = "a long password"
SECONDS = 300  # for one command


def commands(heading: str) -> list[str]:
    """Return the lines of the code blocks below a heading of the README."""
    section = (ROOT / "README.md").read_text().split(f"### {heading}\n")[1].split("\n##")[0]
    return "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).splitlines()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a new user, who has pipx, but no Soundlift."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pipx").symlink_to(Path(sys.executable).parent / "pipx")
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PATH")}
    return {
        **kept,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(programs),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PATH": f"{programs}:/usr/bin:/bin",
    }


def run(command: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a command in a terminal, and answer its questions for a password."""
    process = pexpect.spawn(
        "bash", ["-c", command], cwd=str(folder), env=environment, timeout=SECONDS, encoding="utf-8"
    )
    while process.expect(["(?:Password|Repeat for confirmation): $", pexpect.EOF]) == 0:
        process.sendline(PASSWORD)
    process.close()
    assert process.exitstatus == 0, f"{command}: {process.before}"


@contextmanager
def running(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a command in a terminal until Ctrl-C."""
    process = pexpect.spawn("bash", ["-c", f"exec {command}"], cwd=str(folder), env=environment, timeout=SECONDS)
    try:
        process.expect("Open http")
        yield
        process.sendintr()
        process.expect(pexpect.EOF)
    finally:
        process.close(force=True)
    assert process.exitstatus == 0


def test_a_new_user_installs_with_pipx_and_converts_a_video(tmp_path: Path, environment: dict[str, str]) -> None:
    install, ensure_path, up, add, login, convert = commands("With pipx")
    assert up == "soundlift up"
    folder = tmp_path / "videos"
    folder.mkdir()
    make_demo_video(folder).rename(folder / "holiday.mp4")
    environment["SOUNDLIFT_URL"] = f"http://127.0.0.1:{free_port()}"
    run(install, ROOT, environment)
    run(ensure_path, ROOT, environment)
    with running(f"{up} --port {environment['SOUNDLIFT_URL'].rpartition(':')[2]}", folder, environment):
        run(add, folder, environment)
        assert urllib3.request("GET", environment["SOUNDLIFT_URL"], retries=False).status == 200
        run(login, folder, environment)
        run(convert, folder, environment)
    assert (folder / "holiday.mp3").stat().st_size > 10_000


def test_a_new_user_runs_the_demo_in_a_checkout(tmp_path: Path, environment: dict[str, str]) -> None:
    demo, test = commands("From a checkout")
    checkout = tmp_path / "checkout"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    run(demo, checkout, {**environment, "PYTHON": sys.executable})
    assert list(checkout.glob("build/demo/*.mp3"))
    assert f"\n{test}\n" in (ROOT / ".ci/run").read_text()


def test_the_compose_commands_name_a_service_of_the_compose_file() -> None:
    start, add = commands("With Docker Compose")
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert start == "docker compose up --detach"
    assert add.removeprefix("docker compose exec ").split()[0] in services
