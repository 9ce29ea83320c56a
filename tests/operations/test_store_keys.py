"""The access keys of S3 are rotated while files are written and read; the server checks each signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

import boto3
import pytest
import urllib3

from devservers.s3 import BUCKET, S3
from devservers.waiting import wait_for
from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaStore, open_media
from tests.contract.media.stored_files import read_file, write_file

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
USER = "soundlift"


class Traffic:
    """A process that writes, reads and deletes files with the access key that it was started with."""

    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self.rounds = 0
        self.errors: list[Exception] = []
        self._stop = Event()
        self._thread = Thread(target=self._work)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
            self.wait_for_round()
        finally:
            self._stop.set()
            self._thread.join()

    def wait_for_round(self) -> None:
        rounds = self.rounds
        wait_for(lambda: self.rounds > rounds + 1, "a round has ended")

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                fid = write_file(self.store, b"content")
                assert read_file(self.store, fid) == b"content"
                self.store.delete(fid)
            except Exception as error:
                self.errors.append(error)
            self.rounds += 1


@pytest.fixture
def iam(s3_server: S3) -> Iterator[Any]:
    """Return a client that manages the users of a server, which checks all signatures from now on."""
    endpoint = f"http://127.0.0.1:{s3_server.port}"
    client = boto3.client(
        "iam", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
    )
    client.create_user(UserName="admin")
    client.create_user(UserName=USER)
    for name in ("admin", USER):
        client.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(POLICY))
    key = client.create_access_key(UserName="admin")["AccessKey"]
    _check_signatures(endpoint, after="0")
    yield boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    _check_signatures(endpoint, after="inf")


def test_the_access_keys_of_s3_rotate_while_files_are_written_and_read(iam: Any, s3_server: S3) -> None:
    old, new = (iam.create_access_key(UserName=USER)["AccessKey"] for _ in range(2))
    traffic = Traffic(_store(s3_server, old))
    with traffic.going_on():
        traffic.wait_for_round()
        traffic.store = _store(s3_server, new)
        traffic.wait_for_round()
        iam.delete_access_key(UserName=USER, AccessKeyId=old["AccessKeyId"])
        traffic.wait_for_round()
    assert traffic.errors == []
    with pytest.raises(StoreUnavailable):
        _store(s3_server, old).check()
    with pytest.raises(StoreUnavailable):
        _store(s3_server, {**new, "SecretAccessKey": "another"}).check()


def _store(server: S3, key: dict[str, str]) -> MediaStore:
    login = f"{key['AccessKeyId']}:{quote(key['SecretAccessKey'], safe='')}"
    return open_media(f"s3://{login}@{BUCKET}/rotation?endpoint=http://127.0.0.1:{server.port}", "videos")


def _check_signatures(endpoint: str, *, after: str) -> None:
    """Let moto check signatures after a number of requests."""
    answer = urllib3.request("POST", f"{endpoint}/moto-api/reset-auth", body=after.encode())
    assert answer.status == 200
