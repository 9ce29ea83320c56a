"""The URL of a media store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soundlift.common.errors import SettingError
from soundlift.common.media import MediaStore, open_media
from soundlift.common.media.folder import FolderStore
from soundlift.common.media.gridfs import GridFsStore
from soundlift.common.media.s3 import S3Store, read_address


@pytest.mark.parametrize(
    "url", ["", "media", "ftp://host/x", "file://host/media", "file://", "file:relative", "s3://[x"]
)
def test_an_invalid_url_is_an_error_that_names_the_setting(url: str) -> None:
    with pytest.raises(SettingError, match=r"^Setting MEDIA_URL") as raised:
        open_media(url, "videos")
    assert raised.value.evidence == {"setting": "MEDIA_URL"}


@pytest.mark.parametrize(
    ("url", "make"),
    [
        ("file:///media", lambda url, bucket: FolderStore(Path("/media") / bucket)),
        ("mongodb://host", GridFsStore),
        ("mongodb+srv://host.example.org", GridFsStore),
        ("s3://media/prefix?timeout=3", lambda url, bucket: S3Store(read_address(url), bucket)),
    ],
    ids=["file", "mongodb", "mongodb+srv", "bucket"],
)
@pytest.mark.parametrize("bucket", ["videos", "mp3s"])
def test_the_scheme_of_the_url_selects_the_adapter(
    url: str, make: Callable[[str, str], MediaStore], bucket: str
) -> None:
    opened, meant = open_media(url, bucket), make(url, bucket)
    assert (type(opened), vars(opened)) == (type(meant), vars(meant))
