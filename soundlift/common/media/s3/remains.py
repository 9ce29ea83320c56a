"""What writers of a file have left in S3: multipart uploads, and the tails of resumable uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media.s3.server import has_status, store_errors

TAIL = ".tail."


def remove_remains(client: Any, key: Mapping[str, str]) -> None:
    """Abort all multipart uploads of a file and delete its tails; raises StoreUnavailable.

    The tails go last: until its multipart upload is aborted, a writer may store another one.
    """
    place = {"Bucket": key["Bucket"]}
    with store_errors():
        uploads = client.list_multipart_uploads(**place, Prefix=key["Key"]).get("Uploads", [])
    for upload in uploads:
        try:
            with store_errors():
                client.abort_multipart_upload(**key, UploadId=upload["UploadId"])
        except StoreUnavailable as error:
            if not has_status(error, 404):  # it was completed or aborted meanwhile
                raise
    with store_errors():
        tails = client.list_objects_v2(**place, Prefix=f"{key['Key']}{TAIL}").get("Contents", [])
        for tail in tails:
            client.delete_object(**place, Key=tail["Key"])
