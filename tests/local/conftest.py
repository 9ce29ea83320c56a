"""Starts `soundlift up` as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.local_stack import Stack, Start, wait_until
from devservers.ports import free_port


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Return a function that starts a stack on a port of its own and waits until it is ready.

    It has a data folder of its own unless one is named.
    """
    stacks = []

    def start(data: Path | None = None, **environment: str) -> Stack:
        folder = tmp_path_factory.mktemp("stack")
        data = data or folder / "data"
        port = free_port()
        arguments = [sys.executable, "-m", "soundlift.cli", "up", "--port", str(port), "--data", str(data)]
        with (folder / "terminal").open("wb") as terminal:
            process = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=terminal, stderr=terminal)
        stack = Stack(process, f"http://127.0.0.1:{port}", data, folder / "terminal")
        stacks.append(stack)
        wait_until(lambda: stack.answers() or process.poll() is not None, "the stack is ready")
        assert process.poll() is None, stack.said
        return stack

    yield start
    for stack in stacks:
        if stack.process.poll() is None:
            stack.stop_surely()
