"""The form of API keys: a checksum finds typing errors without the database."""

from __future__ import annotations

import pytest

from soundlift.common.auth.api_keys import DIGITS, FORM, ApiKey, checksum, is_api_key


def test_new_keys_differ_and_have_a_correct_checksum() -> None:
    keys = {ApiKey.create().text for _ in range(100)}
    assert len(keys) == 100
    assert all(ApiKey.parse(key) is not None and FORM.fullmatch(key) and is_api_key(key) for key in keys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "000000"), ("123456789", "3jZRME")],  # CRC-32's check value is 0xCBF43926
)
def test_the_checksum_is_a_crc_32_to_the_base_62(text: str, expected: str) -> None:
    assert checksum(text) == expected
    assert sum(DIGITS.index(digit) * 62**place for place, digit in enumerate(reversed(expected))) == (
        0xCBF43926 if text else 0
    )


def test_every_single_typing_error_is_found() -> None:
    key = ApiKey.create().text
    for place in range(len("slk_"), len(key)):
        wrong = "0" if key[place] != "0" else "1"
        assert ApiKey.parse(key[:place] + wrong + key[place + 1 :]) is None
        assert ApiKey.parse(key[:place] + key[place + 1 :]) is None
    for malformed in ("", "slk_", key + "0", key + "\n", f" {key}", key.replace("slk_", "SLK_"), key[:-1] + "é"):
        assert ApiKey.parse(malformed) is None
