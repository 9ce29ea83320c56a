"""The redirect of a download to the media store, which then sends the file itself."""

from __future__ import annotations

from flask import Request, Response

from soundlift.common.errors import BadRequest
from soundlift.common.jobs.document import audio_format, audio_name
from soundlift.common.jobs.model import Job
from soundlift.common.media.direct import SignedDownloads
from soundlift.common.services import Services

from .audio_response import ascii_disposition

URL_SECONDS = 60  # in which the client must begin; a download that has begun may take longer
CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")


def store_redirect(request: Request, job: Job, fid: str, services: Services) -> Response | None:
    """Return the redirect of a request for a job's audio file, or None if this function is to send the file.

    Raises BadRequest, and MediaNotFound or StoreUnavailable as the download of the file would.
    """
    wanted = request.args.get("redirect")
    if wanted not in (None, "true", "false"):
        raise BadRequest("redirect must be true or false.")
    store = services.direct_mp3s if services.settings.download_redirect else None
    if store is None or wanted == "false" or not _is_simple(request) or not (wanted or _may_leave(request)):
        return None
    services.mp3s.open(fid).file.close()
    return _redirect(job, fid, store)


def _is_simple(request: Request) -> bool:
    """Return whether the store would answer a request as this function does.

    A URL is signed for one method. A condition refers to this function's entity tags, not to the store's, and the store
    knows no lists of ranges.
    """
    has_condition = any(name in request.headers for name in CONDITIONS)
    return request.method == "GET" and not has_condition and "," not in request.headers.get("Range", "")


def _may_leave(request: Request) -> bool:
    """Return whether a browser follows a redirect to another host: a page's own requests would need CORS there."""
    return request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


def _redirect(job: Job, fid: str, store: SignedDownloads) -> Response:
    url = store.sign_download(
        fid,
        disposition=ascii_disposition(audio_name(job)),
        media_type=audio_format(job).media_type,
        seconds=URL_SECONDS,
    )
    response = Response(status=302)
    response.headers["Location"] = url
    response.headers["Cache-Control"] = "no-store"
    response.set_etag(fid)  # by which a client that has lost the connection can continue here
    return response
