"""upload and jobs: options are stored and shown, or rejected before anything is stored."""

from __future__ import annotations

import io
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from soundlift.common.audio.formats import SIGNATURE_BYTES
from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.options.audio_options import OPTIONS, AudioOptions
from soundlift.common.services import Services
from tests.api.uploads import traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, job_now, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

Fields = list[tuple[str, str | bytes]]
PLACES = [
    "query of a raw body",
    "query of a form",
    "field before the file",
    "field after the file",
    "field after a file that is being stored",
]
VALID = {
    "format": "mp3",
    "copy": "auto",
    "bitrate": "128k",
    "sample_rate": "44100",
    "channels": "1",
    "start": "1:30",
    "end": "95.5",
    "track": "eng",
    "normalize": "true",
    "tags": "strip",
    "cover": "drop",
    "tag.title": "Ünïcode & 🎵=%",
    "tag.genre": "",
}
SHOWN = {
    "format": "mp3",
    "copy": "never",
    "bitrate": 128,
    "quality": None,
    "sample_rate": 44100,
    "channels": 1,
    "start": 90.0,
    "end": 95.5,
    "track": "eng",
    "normalize": -16.0,
    "tags": "strip",
    "cover": "drop",
    "webhook": None,
    "tag.title": "Ünïcode & 🎵=%",
    "tag.genre": "",
}
UNTOUCHED = dict.fromkeys(("bitrate", "sample_rate", "channels", "end", "track", "normalize", "webhook"))
DEFAULTS = {**UNTOUCHED, "format": "mp3", "copy": "auto", "quality": 2, "start": 0.0, "tags": "keep", "cover": "keep"}


def _form(before: Fields, after: Fields = (), file: bytes = MP4) -> dict[str, object]:
    """Return a request with a form, whose file is between the fields."""

    def part(name: str, value: str | bytes, more: str = "") -> bytes:
        content = value.encode() if isinstance(value, str) else value
        return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"

    parts = [*(part(*field) for field in before), part("f", file, '; filename="a.mp4"'), *(part(*f) for f in after)]
    return {"data": b"".join(parts) + b"--x--\r\n", "content_type": "multipart/form-data; boundary=x"}


def _upload(function: Call, services: Services, given: Fields, place: str) -> TestResponse:
    """Upload with options in one of the possible places."""
    match place:
        case "query of a raw body":
            url, body = f"/?{urlencode(given)}", {"data": MP4}
        case "query of a form":
            url, body = f"/?{urlencode(given)}", _form([])
        case "field before the file":
            url, body = "/", _form(given)
        case "field after the file":
            url, body = "/", _form([], given)
        case _:
            url, body = "/", _form([], given, MP4 + bytes(SIGNATURE_BYTES))
    return function("upload").post(url, headers=bearer(services), **body)


@pytest.mark.parametrize("place", PLACES)
def test_options_are_stored_with_the_job_and_shown(function: Call, services: Services, place: str) -> None:
    answer = _upload(function, services, list(VALID.items()), place)
    assert answer.status_code == 202, answer.text
    assert answer.json["options"] == SHOWN
    job = job_now(services, answer.json["job_id"])
    assert AudioOptions.from_json(str(job.options)).document() == SHOWN
    assert function("jobs").get(f"/{job.id}", headers=bearer(services)).json["options"] == SHOWN
    assert function("jobs").get("/", headers=bearer(services)).json["jobs"][0]["options"] == SHOWN


def test_options_may_be_given_in_several_places_of_one_upload(function: Call, services: Services) -> None:
    form = _form([("channels", "1")], [("tag.title", "T"), ("end", "20")])
    answer = function("upload").post("/?start=10", headers=bearer(services), **form)
    cut = {"copy": "never", "start": 10.0, "end": 20.0}
    assert answer.json["options"] == {**DEFAULTS, **cut, "channels": 1, "tag.title": "T"}


@pytest.mark.parametrize("place", PLACES)
def test_the_format_may_follow_the_options_that_depend_on_it(function: Call, services: Services, place: str) -> None:
    answer = _upload(function, services, [("bitrate", "100"), ("format", "m4a")], place)
    assert answer.status_code == 202, answer.text
    assert answer.json["options"] == {**DEFAULTS, "format": "m4a", "copy": "never", "bitrate": 100, "quality": None}
    assert (answer.json["format"], answer.json["codec"], answer.json["copied"]) == ("m4a", None, None)
    refused = _upload(function, services, [("bitrate", "100"), ("format", "flac")], place)
    assert_problem(refused, 400, code="bad_option")
    assert "bitrate=100: FLAC does not know this option; it knows: channels, " in refused.json["detail"]
    assert_problem(_upload(function, services, [("bitrate", "100")], place), 400, code="bad_option")
    assert len(traces(services)) == len(("row", "video"))  # of the first upload


def test_an_upload_without_options_shows_the_server_s_defaults(function: Call, services: Services) -> None:
    assert _upload(function, services, [], PLACES[0]).json["options"] == DEFAULTS
    services.settings = replace(services.settings, audio_bitrate="192k", audio_normalize=-23.0)
    answer = _upload(function, services, [], PLACES[0]).json
    assert (answer["options"]["bitrate"], answer["options"]["normalize"]) == (192, -23.0)
    services.settings = replace(services.settings, audio_bitrate="64k", audio_normalize=None)
    later = function("jobs").get(f"/{answer['job_id']}", headers=bearer(services)).json
    assert later["options"] == answer["options"]


def test_a_job_without_an_upload_shows_the_server_s_current_defaults(function: Call, services: Services) -> None:
    services.jobs.adopt(video_fid="a" * 24, username="ada@example.org", video_bytes=1, traceparent=None)
    services.settings = replace(services.settings, audio_quality=5)
    answer = function("jobs").get(f"/{'a' * 24}", headers=bearer(services)).json
    assert answer["options"] == {**DEFAULTS, "quality": 5}


@pytest.mark.parametrize(
    ("given", "phrases"),
    [
        ([("format", "aac")], ["format=aac", "mp3, m4a, opus, flac, wav or original"]),
        ([("bitrate", "500")], ["bitrate=500", "32, 40", "320 (kbit/s)"]),
        ([("quality", "11")], ["quality=11", "0 (best) to 9"]),
        ([("sample_rate", "96000")], ["sample_rate=96000", "8000, 11025", "48000 (Hz)"]),
        ([("channels", "6")], ["channels=6", "1 or 2"]),
        ([("start", "soon")], ["start=soon", "83.25, or [HH:]MM:SS[.mmm]"]),
        ([("end", "-1")], ["end=-1", "83.25, or [HH:]MM:SS[.mmm]"]),
        ([("start", "20"), ("end", "10")], ["end=10", "after the start, 20 s"]),
        ([("track", "0")], ["track=0", "from 1 to 999", "ISO 639"]),
        ([("normalize", "loud")], ["normalize=loud", "true, false", "-70 to -5 (LUFS)"]),
        ([("tags", "none")], ["tags=none", "keep or strip"]),
        ([("cover", "no")], ["cover=no", "keep or drop"]),
        ([("tag.title", "a\nb")], ["tag.title=a\\u{a}b", "1000 characters on one line"]),
        ([("tag.date", "soon")], ["tag.date=soon", "YYYY-MM-DD"]),
        ([("tag.track", "A1")], ["tag.track=A1", "3/12"]),
        ([("tag.disc", "-")], ["tag.disc=-", "1/2"]),
        ([("tag.lyrics", "la")], ["tag.lyrics=la", "no such option", *OPTIONS]),
        ([("comment", "no option")], ["comment=no option", "no such option", "tag.comment"]),
        ([("bitrate", "96"), ("bitrate", "96")], ["bitrate=96", "once"]),
        ([("bitrate", "96"), ("quality", "2")], ["quality=2", "bitrate"]),
        ([("bitrate", "320"), ("sample_rate", "22050")], ["bitrate=320", "at most 160 at sample_rate=22050"]),
    ],
)
@pytest.mark.parametrize("place", PLACES[:4])
def test_a_bad_option_is_rejected_with_the_allowed_values(
    function: Call, services: Services, given: Fields, phrases: list[str], place: str
) -> None:
    rejected = _upload(function, services, given, place)
    assert_problem(rejected, 400, "Bad Option", "bad_option")
    assert all(phrase in rejected.json["detail"] for phrase in phrases), rejected.json["detail"]
    assert traces(services) == []
    assert services.broker.receive(["video"], timeout=0) is None


@pytest.mark.parametrize("place", PLACES[:3])
def test_a_bad_option_before_the_file_is_rejected_before_anything_is_stored(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(fid: str, info: MediaInfo) -> MediaWriter:
        raise StoreUnavailable("The store can be used, but not for new files.")

    monkeypatch.setattr(services.videos, "create", fail)
    assert_problem(_upload(function, services, [("quality", "4"), ("bitrate", "x")], place), 400, code="bad_option")
    assert _upload(function, services, [("quality", "4")], place).status_code == 503


def test_a_bad_query_is_rejected_before_the_body_is_read(function: Call, services: Services) -> None:
    body = io.BytesIO(MP4)
    length = {"CONTENT_LENGTH": str(len(MP4))}
    response = function("upload").post(
        "/?bitrat=128", input_stream=body, environ_overrides=length, headers=bearer(services)
    )
    assert_problem(response, 400, code="bad_option")
    assert body.tell() == 0


def test_options_are_not_checked_without_a_token(function: Call) -> None:
    assert_problem(function("upload").post("/?bitrate=500", data=MP4), 401)


def test_an_option_given_in_both_the_query_and_the_form_is_rejected(function: Call, services: Services) -> None:
    for form in (_form([("channels", "1")]), _form([], [("channels", "1")])):
        rejected = function("upload").post("/?channels=1", headers=bearer(services), **form)
        assert_problem(rejected, 400, code="bad_option")
    assert traces(services) == []


def test_a_value_above_the_server_s_maximum_is_rejected_with_the_maximum(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_audio_bitrate=128, max_sample_rate=44100)
    for name, value, bound in (("bitrate", "160", "128"), ("sample_rate", "48000", "44100")):
        rejected = _upload(function, services, [(name, value)], PLACES[0])
        assert_problem(rejected, 400, code="bad_option")
        assert rejected.json["detail"] == f"{name}={value} must be at most {bound} on this server."


@pytest.mark.parametrize("place", PLACES[2:])
def test_a_field_that_is_not_utf_8_is_rejected_with_its_name(function: Call, services: Services, place: str) -> None:
    rejected = _upload(function, services, [("tag.title", b"\xdcber")], place)
    assert_problem(rejected, 400)
    assert "tag.title" in rejected.json["detail"]
    assert traces(services) == []


def test_a_field_without_a_name_is_rejected_like_an_unknown_option(function: Call, services: Services) -> None:
    body = b"--x\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    rejected = function("upload").post("/", data=body, content_type=kind, headers=bearer(services))
    assert_problem(rejected, 400, code="bad_option")
    assert rejected.json["detail"].startswith("=value: ")


@pytest.mark.parametrize("missing", [None, 0.0, 12.5])
def test_a_job_shows_how_much_of_its_sound_is_missing(
    function: Call, services: Services, missing: float | None
) -> None:
    job = ready_job(services, missing_seconds=missing)
    assert function("jobs").get(f"/{job.id}", headers=bearer(services)).json["missing_seconds"] == missing
