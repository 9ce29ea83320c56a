"""A video becomes an audio file of each format, from the upload to the download and the mail."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.convert.handler import convert
from functions.notify.message import compose_for_job
from soundlift.common.audio.output_formats import FORMATS
from soundlift.common.events import event_for
from soundlift.common.services import Services
from tests.convert.pcm import decode_file
from tests.factories.accounts import bearer
from tests.factories.clips import talking_mp4
from tests.factories.jobs import job_now
from tests.fixtures.functions import Call

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

SECONDS = 3


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return talking_mp4(tmp_path_factory.mktemp("clip")).read_bytes()


@pytest.mark.parametrize(
    ("query", "name", "codec", "rate", "copied"),
    [
        ("format=mp3&quality=4", "mp3", "mp3", 44100, False),
        ("format=m4a&bitrate=100", "m4a", "aac", 44100, False),
        ("format=m4a", "m4a", "aac", 44100, True),
        ("format=opus&bitrate=33", "opus", "opus", 48000, False),
        ("format=flac", "flac", "flac", 44100, False),
        ("format=wav&sample_rate=22050", "wav", "pcm_s16le", 22050, False),
        ("format=original", "m4a", "aac", 44100, True),
    ],
)
def test_a_video_becomes_an_audio_file_of_the_requested_format(
    function: Call, services: Services, tmp_path: Path, video: bytes, *, query: str, name: str, codec: str, rate: int,
    copied: bool,
) -> None:  # fmt: skip
    headers = {**bearer(services), "X-Filename": "talk.mp4"}
    uploaded = function("upload").post(f"/?{query}", data=video, headers=headers).json
    requested = query.removeprefix("format=").partition("&")[0]
    assert (uploaded["format"], uploaded["codec"], uploaded["copied"]) == (requested, None, None)

    convert(event_for(job_now(services, uploaded["job_id"])), services)
    job = function("jobs").get(f"/{uploaded['job_id']}", headers=headers).json
    assert (job["state"], job["error"], job["missing_seconds"] or 0) == ("ready", None, 0)
    assert (job["format"], job["codec"], job["sample_rate"], job["channels"]) == (name, codec, rate, 1)
    assert (job["copied"], job["cut"], "waveform" in job["links"]) == (copied, None, not copied)
    assert job["length"] == pytest.approx(SECONDS, abs=1e-6)

    download = function("download").get(f"/?job={job['job_id']}", headers=headers)
    assert (download.status_code, len(download.data)) == (200, job["mp3_bytes"])
    assert job["bitrate"] == pytest.approx(len(download.data) * 8 / SECONDS / 1000, rel=0.2)
    assert download.headers["Content-Type"] == FORMATS[name].media_type
    assert download.headers["Content-Disposition"] == f'attachment; filename="talk.{name}"'
    part = function("download").get(f"/?job={job['job_id']}", headers={**headers, "Range": "bytes=1000-1999"})
    assert (part.status_code, part.data) == (206, download.data[1000:2000])
    file = tmp_path / f"talk.{name}"
    file.write_bytes(download.data)
    assert len(decode_file(file).samples) == SECONDS * rate

    mail = compose_for_job(job_now(services, job["job_id"]), services)
    assert mail["Subject"] == f"Your audio file is ready: talk.{name}"
    body = mail.get_body(("plain",))
    assert body is not None
    assert f"talk.{name}\n{FORMATS[name].title}" in body.get_content()
