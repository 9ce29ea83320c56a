"""Tokens follow the best practices for JSON Web Tokens (RFC 8725, section 3), and their keys can be replaced."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import zlib
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest

from soundlift.common.auth.signing_keys import SigningKeys
from soundlift.common.auth.tokens import ISSUER, SIGN_IN, Tokens
from soundlift.common.errors import LinkExpired, NotAuthorized
from soundlift.common.setting_types import MAX_KEYS, signing_keys

OLD, NEW = "the old key, which is longer than 32 bytes", "the new key, which is longer than 32 bytes"
ADA = "ada@example.org"
FID = "f" * 24
HEADER = {"alg": "HS256", "typ": "soundlift+jwt", "kid": SigningKeys((OLD,)).current_id}
CLAIMS = {"iss": ISSUER, "aud": SIGN_IN, "sub": ADA, "username": ADA, "admin": True, "jti": "1"}


def tokens(*keys: str) -> Tokens:
    return Tokens(keys or (OLD,), sign_in_seconds=60, link_seconds=60)


def encoded(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


def signed(header: dict[str, Any], claims: bytes | None = None, key: str = OLD, digest: str = "sha256") -> str:
    """Return a token with any header and any payload, and a correct signature."""
    moment = int(time.time())
    payload = claims or json.dumps({**CLAIMS, "iat": moment, "exp": moment + 60}).encode()
    parts = encoded(json.dumps(header).encode()) + b"." + encoded(payload)
    return (parts + b"." + encoded(hmac.digest(key.encode(), parts, digest))).decode()


def is_accepted(token: str, *keys: str) -> bool:
    try:
        return tokens(*keys).identify(f"Bearer {token}").username == ADA
    except NotAuthorized:
        return False


def test_the_tokens_of_these_tests_are_valid_unless_changed() -> None:
    assert is_accepted(signed(HEADER))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "", None, 7, ["HS256"]]
)
def test_the_token_does_not_choose_the_algorithm(algorithm: object) -> None:  # sections 3.1 and 3.2
    for digest in ("sha256", "sha384", "sha512"):
        assert not is_accepted(signed({**HEADER, "alg": algorithm}, digest=digest))
    unsigned = signed({**HEADER, "alg": algorithm}).rpartition(".")[0]
    assert not is_accepted(f"{unsigned}.")
    assert not is_accepted(unsigned)


def test_every_part_of_a_token_is_protected_by_the_signature() -> None:  # section 3.3
    token = signed(HEADER)
    for at in range(0, len(token) - 1, 7):
        other = "A" if token[at] != "A" else "B"
        assert not is_accepted(token[:at] + other + token[at + 1 :])


def test_a_token_inside_a_token_is_not_accepted() -> None:  # section 3.3
    assert not is_accepted(signed({**HEADER, "cty": "JWT"}, signed(HEADER).encode()))


@pytest.mark.parametrize("keys", ["short", f"{OLD}\nshort", "x" * 31, "\n"])
def test_a_key_that_can_be_guessed_is_refused(keys: str) -> None:  # section 3.5
    with pytest.raises(ValueError, match="at least 32 bytes"):
        signing_keys(keys)


def test_a_compressed_payload_is_not_decompressed() -> None:  # section 3.6
    payload = zlib.compress(json.dumps({**CLAIMS, "iat": 0, "exp": 2**40}).encode())
    assert not is_accepted(signed({**HEADER, "zip": "DEF"}, payload))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_claims_in_another_encoding_than_utf_8_are_refused(encoding: str) -> None:  # section 3.7
    claims = {**CLAIMS, "username": "ädä@example.org", "iat": int(time.time()), "exp": 2**40}
    assert not is_accepted(signed(HEADER, json.dumps(claims, ensure_ascii=False).encode(encoding)))


@pytest.mark.parametrize(
    "change",
    [{"iss": "somebody"}, {"iss": None}, {"sub": None}, {"sub": 7}, {"aud": "x"}, {"aud": None}, {"aud": [SIGN_IN]}],
)
def test_issuer_subject_and_audience_are_validated(change: dict[str, object]) -> None:  # sections 3.8 and 3.9
    moment = int(time.time())
    claims = {**CLAIMS, "iat": moment, "exp": moment + 60, **change}
    assert not is_accepted(signed(HEADER, json.dumps(claims).encode()))


@pytest.mark.parametrize("key_id", [None, "", "x", 7, ["x"], {"x": 1}, "../../dev/null", "' OR 1=1 --", "é" * 1000])
def test_a_key_id_only_selects_one_of_the_configured_keys(key_id: object) -> None:  # section 3.10
    assert not is_accepted(signed({**HEADER, "kid": key_id}))


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_along_is_not_used(name: str) -> None:  # section 3.10
    octets = {"kty": "oct", "k": encoded(NEW.encode()).decode()}
    sent = {"jwk": octets, "jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/", "x5c": ["AAAA"]}
    assert not is_accepted(signed({**HEADER, name: sent[name]}, key=NEW))


def test_an_extension_that_must_be_understood_is_refused() -> None:  # RFC 7515, section 4.1.11
    assert not is_accepted(signed({**HEADER, "crit": ["x"], "x": 1}))


@pytest.mark.parametrize("kind", ["JWT", "soundlift-download+jwt", "soundlift-archive+jwt", "", None, 7])
def test_a_token_of_another_type_is_refused(kind: object) -> None:  # section 3.11
    assert not is_accepted(signed({**HEADER, "typ": kind}))


def test_no_kind_of_token_is_accepted_as_another() -> None:  # section 3.12
    ours = tokens()
    access, download, archive = ours.sign_in(ADA, admin=True), ours.download_link(FID), ours.archive_link([FID])
    for token in (download, archive):
        assert not is_accepted(token)
    for token in (access, archive):
        with pytest.raises(NotAuthorized):
            ours.linked_audio(token)
    for token in (access, download):
        with pytest.raises(NotAuthorized):
            ours.check_archive_link(token, [FID])


def test_a_new_key_signs_while_tokens_of_the_old_one_stay_valid() -> None:
    old = tokens(OLD)
    access, link = old.sign_in(ADA, admin=False), old.download_link(FID)
    for keys in ((OLD, NEW), (NEW, OLD)):  # first every replica knows the new key, then it signs
        assert is_accepted(access, *keys)
        assert tokens(*keys).linked_audio(link) == FID
    fresh = tokens(NEW, OLD).sign_in(ADA, admin=False)
    assert jwt.get_unverified_header(fresh)["kid"] == SigningKeys((NEW,)).current_id
    assert is_accepted(fresh, OLD, NEW)  # a replica that still signs with the old key
    assert is_accepted(fresh, NEW)
    assert not is_accepted(access, NEW)


def test_a_key_id_discloses_nothing_of_the_key() -> None:
    key_id = SigningKeys((OLD,)).current_id
    assert len(key_id) == 12
    assert key_id not in hashlib.sha256(OLD.encode()).hexdigest()
    assert SigningKeys((NEW,)).current_id != key_id


def test_an_expired_link_says_so() -> None:
    expired = Tokens((OLD,), sign_in_seconds=60, link_seconds=-1).download_link(FID)
    with pytest.raises(LinkExpired):
        tokens().linked_audio(expired)
    assert tokens().is_link_to(expired, FID)
    assert not tokens(NEW).is_link_to(expired, FID)


def test_several_keys_are_one_per_line() -> None:
    assert signing_keys(f" {NEW} \r\n\n{OLD}\n") == (NEW, OLD)
    spaces = "a single key may contain, blanks and commas"
    assert signing_keys(spaces) == (spaces,)


@pytest.mark.parametrize("keys", [[OLD, OLD], [f"{number} {OLD}" for number in range(MAX_KEYS + 1)]])
def test_repeated_or_too_many_keys_are_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="different keys"):
        signing_keys("\n".join(keys))
