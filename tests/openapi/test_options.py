"""The OpenAPI document describes the options of an upload as they are declared."""

from __future__ import annotations

import jsonschema_rs
import pytest

from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX, AudioOptions, Option
from soundlift.common.settings import Settings
from tests.openapi.document import read_document, schema

CANDIDATES = [
    *["", " ", "0", "00", "1", "2", "3", "9", "10", "32", "64k", "100", "128", "128k", "192K", "320", "321", "44100"],
    *["8000", "48000", "96000", "999", "1000", "0.5", "1.2345678", "83.25", "1:23", "1:23.25", "01:02:03", "1:60"],
    *["100:00", "1000:00", "1:100:00", "1:5:00", "60:00:00", "100:00:00", "9999999", "-1", "+1", "1e3", "١", "1:2"],
    *["true", "false", "True", "-16", "-16.5", "-4", "-4.999", "-5", "-05", "-5.0", "-70", "-70.0", "-70.001", "-71"],
    *["-16.1234", "mp3", "MP3", "wav", "keep", "strip", "drop", "en", "ENG", "engl", "e", "e1", "eng\n", "\n", "a\nb"],
    *["A title", "Ünïcode ♪", "tab\there", "a\u2028b", "\x85", "x" * 1000, "x" * 1001, "2026", "2026-11", "2026-13"],
    *["2026-11-27", "2026-11-32", "26", "3/12", "3/", "/3", "12345", "1/2/3", "keep ", "1,2"],
]


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_an_option_is_described_by_its_help_and_by_exactly_the_values_that_it_accepts(option: Option) -> None:
    described = schema("UploadOptions")["properties"][option.name]
    assert described["description"] == f"{option.help} {option.details}".strip()
    assert described["examples"]
    validator = jsonschema_rs.Draft202012Validator(described)
    for text in [*CANDIDATES, *described["examples"]]:
        try:
            option.value.read(text)
            is_accepted = True
        except ValueError:
            is_accepted = False
        assert validator.is_valid(text) == is_accepted, repr(text)
        assert is_accepted or text not in described["examples"]


def test_every_option_is_a_query_parameter_and_a_form_field() -> None:
    assert list(schema("UploadOptions")["properties"]) == list(OPTIONS)
    upload = read_document().root["paths"]["/upload"]["post"]
    in_query = {each["name"]: each["schema"]["$ref"] for each in upload["parameters"] if each["in"] == "query"}
    assert list(in_query) == list(OPTIONS)
    assert all(in_query[name] == f"#/components/schemas/UploadOptions/properties/{name}" for name in OPTIONS)
    assert set(schema("UploadForm")["properties"]) == {*OPTIONS, "file"}


def test_the_options_of_a_job_are_described_by_their_names_in_an_upload(settings: Settings) -> None:
    described = schema("JobOptions")
    assert set(described["properties"]) == {name for name in OPTIONS if not name.startswith(TAG_PREFIX)}
    assert set(described["required"]) == set(described["properties"])
    assert AudioOptions.defaults(settings).document().keys() == described["properties"].keys()
