"""A temporary folder that cannot be locked is removed."""

from __future__ import annotations

import errno
import secrets
import tempfile
from pathlib import Path

import pytest

from soundlift.common.process.temporary_folders import temporary_folder
from tests.factories.open_files import no_more_files


def test_a_folder_that_cannot_be_locked_is_removed_immediately() -> None:
    purpose = secrets.token_hex(8)
    with no_more_files(), pytest.raises(OSError, match="Too many open files") as refused, temporary_folder(purpose):
        pass
    assert refused.value.errno == errno.EMFILE
    assert list(Path(tempfile.gettempdir()).glob(f"*{purpose}*")) == []
    with temporary_folder(purpose) as folder:
        assert folder.is_dir()
