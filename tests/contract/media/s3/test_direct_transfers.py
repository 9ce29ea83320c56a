"""Parts that clients send to S3, and files that they read there, at signed URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import urllib3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from devservers.forwarder import Forwarder
from devservers.s3 import S3
from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaStore, new_media_id
from soundlift.common.media.direct import DirectTransfers, open_direct_transfers
from tests.contract.media.s3.objects import INFO, unfinished_uploads

MINIMUM = 5 * 2**20  # of every part but the last
PART = b"1" * MINIMUM


@pytest.fixture
def transfers(s3_server: S3) -> DirectTransfers:
    found = open_direct_transfers(s3_server.url(), "videos", "")
    assert found is not None
    return found


def put(transfers: DirectTransfers, fid: str, reference: str, number: int, content: bytes) -> int:
    url = transfers.sign_part(fid, reference, number=number, size=len(content), seconds=60)
    return urllib3.request("PUT", url, body=content, retries=False).status


def signature(url: str, headers: Mapping[str, str]) -> str:
    """Return the signature (version 4) of a PUT to a signed URL that is sent with these headers."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "X-Amz-Signature"]
    signed = dict(query)
    request = AWSRequest("PUT", f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(query)}")
    request.headers = HTTPHeaders()
    for name in signed["X-Amz-SignedHeaders"].split(";"):
        request.headers[name] = headers[name]
    request.context["timestamp"] = signed["X-Amz-Date"]
    scope = signed["X-Amz-Credential"].split("/")
    auth = S3SigV4QueryAuth(Credentials("access", "se/cret"), scope[3], scope[2])
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


def test_the_parts_that_arrived_become_one_file(transfers: DirectTransfers, store: MediaStore) -> None:
    fid = new_media_id()
    reference = transfers.begin(fid, INFO)
    assert transfers.parts(fid, reference) == []
    assert put(transfers, fid, reference, 2, b"end") == 200
    assert put(transfers, fid, reference, 1, b"2" * MINIMUM) == 200
    assert put(transfers, fid, reference, 1, PART) == 200, "a part that is sent again replaces the first one"
    parts = transfers.parts(fid, reference)
    assert [(part.number, part.size) for part in parts] == [(1, MINIMUM), (2, 3)]
    transfers.complete(fid, reference, parts)
    with store.open(fid).file as file:
        assert file.read() == PART + b"end"
    for ended in (reference, "no-such-upload"):
        with pytest.raises(MediaNotFound):
            transfers.parts(fid, ended)
    store.delete(fid)


def test_a_part_that_was_replaced_since_it_was_listed_is_not_accepted(
    transfers: DirectTransfers, store: MediaStore, client: Any
) -> None:
    fid = new_media_id()
    reference = transfers.begin(fid, INFO)
    assert put(transfers, fid, reference, 1, b"checked") == 200
    parts = transfers.parts(fid, reference)
    assert put(transfers, fid, reference, 1, b"another") == 200
    with pytest.raises(StoreUnavailable):
        transfers.complete(fid, reference, parts)
    store.delete(fid)
    assert unfinished_uploads(client, fid) == []


def test_a_url_accepts_only_the_announced_size_at_the_address_that_clients_see(s3_server: S3) -> None:
    transfers = open_direct_transfers(s3_server.url(), "videos", "https://media.example.org")
    assert transfers is not None
    url = transfers.sign_part(new_media_id(), "id+/=", number=3, size=1234, seconds=900)
    query = parse_qs(urlsplit(url).query)
    sent = query["X-Amz-Signature"]
    assert [signature(url, {"host": "media.example.org", "content-length": "1234"})] == sent
    assert [signature(url, {"host": "media.example.org", "content-length": "1235"})] != sent
    assert [signature(url, {"host": "127.0.0.1:9000", "content-length": "1234"})] != sent
    assert (query["uploadId"], query["partNumber"], query["X-Amz-Expires"]) == (["id+/="], ["3"], ["900"])


def test_an_outage_is_an_error_and_no_lost_upload(s3_server: S3, forwarder: Forwarder) -> None:
    transfers = open_direct_transfers(f"{s3_server.url(port=forwarder.port)}&timeout=1", "videos", "")
    missing = open_direct_transfers(s3_server.url(bucket="no-such-bucket"), "videos", "")
    assert transfers is not None
    assert missing is not None
    forwarder.cut()
    fid = new_media_id()
    for step in (
        lambda: transfers.begin(fid, INFO),
        lambda: transfers.parts(fid, "1"),
        lambda: transfers.complete(fid, "1", []),
        lambda: missing.parts(fid, "1"),
    ):
        with pytest.raises(StoreUnavailable):
            step()
    assert transfers.sign_part(fid, "1", number=1, size=1, seconds=1), "signing needs no connection"


def test_only_s3_has_direct_transfers() -> None:
    assert open_direct_transfers("file:///data", "videos", "https://media.example.org") is None
    assert open_direct_transfers("mongodb://host", "videos", "") is None
