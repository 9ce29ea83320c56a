"""SANDBOX and what the system supports decide whether FFmpeg is confined."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soundlift.common.errors import SettingError
from soundlift.common.process.ffmpeg import binary
from soundlift.common.process.sandbox.sandbox import open_sandbox
from tests.common.test_sandbox import confined

pytestmark = pytest.mark.slow


def test_the_sandbox_can_be_switched_off() -> None:
    assert not open_sandbox("off").confines


@confined
def test_a_required_sandbox_stops_the_start_if_the_system_does_not_offer_one() -> None:
    code = """
from functions.convert.handler import app
from soundlift.common.errors import SettingError
from soundlift.common.process.sandbox.kernel import give_up_privileges
from soundlift.common.process.sandbox.sandbox import open_sandbox
from soundlift.common.process.sandbox.seccomp import ALLOW, EQUAL, LOAD, RETURN, UNKNOWN, install

give_up_privileges()
install([(LOAD, 0, 0, 0), (EQUAL, 0, 1, 444), (RETURN, 0, 0, UNKNOWN), (RETURN, 0, 0, ALLOW)])
assert not open_sandbox("auto").confines
try:
    app.open_services()
except SettingError as error:
    print(error.detail)
"""
    environment = {**os.environ, "SANDBOX": "required"}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert ended.stdout.splitlines()[-1:] == [
        "Setting SANDBOX: a sandbox is required, but the kernel, or the container's seccomp profile, does not offer "
        "Landlock."
    ], ended.stderr


@confined
def test_without_a_free_listener_for_system_calls_ffmpeg_is_not_confined() -> None:
    code = """
from soundlift.common.process.sandbox.kernel import give_up_privileges
from soundlift.common.process.sandbox.seccomp import ALLOW, NEW_LISTENER, RETURN, install

give_up_privileges()
listener = install([(RETURN, 0, 0, ALLOW)], NEW_LISTENER)
"""
    assert "busy" in _reason_not_to_confine(code)


@confined
def test_an_ffmpeg_that_cannot_start_in_a_sandbox_is_not_confined(tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\nexec {binary()} $@\n")
    script.chmod(0o700)
    assert "Permission denied" in _reason_not_to_confine("", IMAGEIO_FFMPEG_EXE=str(script))
    assert "No such file" in _reason_not_to_confine("", IMAGEIO_FFMPEG_EXE=str(tmp_path / "none"))


@confined
def test_an_ffmpeg_that_is_found_in_the_path_is_started(tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").symlink_to(binary())
    assert _reason_not_to_confine("", IMAGEIO_FFMPEG_EXE="ffmpeg", PATH=str(tmp_path)) == ""


def _reason_not_to_confine(code: str, **environment: str) -> str:
    """Return why `required` is refused in a process that runs some code first; `auto` must then not confine."""
    code += """
from soundlift.common.errors import SettingError
from soundlift.common.process.sandbox.sandbox import open_sandbox
confines, reason = open_sandbox("auto").confines, ""
try:
    open_sandbox("required")
except SettingError as error:
    reason = error.detail
assert confines == (not reason)
print(reason)
"""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


@confined
def test_a_required_sandbox_is_there_if_the_system_offers_one() -> None:
    try:
        assert open_sandbox("required").confines
    except SettingError as error:
        pytest.fail(error.detail)
