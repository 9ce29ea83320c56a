"""The files of a deployment, and a file with its settings."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.media import list_files, open_media
from soundlift.common.services import Services


def files_of(services: Services, url: str | None = None) -> dict[str, bytes]:
    contents = {}
    for bucket in ("videos", "mp3s"):
        opened = open_media(url or services.settings.media_url, bucket)
        for file in list_files(opened):
            with opened.open(file.fid).file as reader:
                contents[f"{bucket}/{file.fid}"] = reader.read()
    return contents


def settings_file(folder: Path, **variables: str) -> Path:
    file = folder / "servers.env"
    file.write_text("# the servers\n" + "".join(f"{name}='{value}'\n" for name, value in variables.items()))
    file.chmod(0o600)
    return file


def empty_store(url: str) -> None:
    """Delete all files of a store."""
    for bucket in ("videos", "mp3s"):
        store = open_media(url, bucket)
        for file in list_files(store):
            store.delete(file.fid)
