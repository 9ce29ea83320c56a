"""The download of an audio file, complete or by ranges, or of several as a ZIP file."""

from __future__ import annotations

from flask import Request
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import BadRequest, NotAuthorized, NotFound, SoundliftError
from soundlift.common.jobs.document import require_audio
from soundlift.common.jobs.model import HIDDEN, Job
from soundlift.common.logging import bind_job
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from soundlift.common.web.cross_origin import allow_cross_origin

from .archive import archive_response
from .archive_jobs import jobs_of_body, jobs_of_query
from .audio_response import audio_response
from .link_page import link_refusal
from .store_redirect import store_redirect

MAX_LIST_BYTES = 64 * 1024  # of MAX_POSTED_JOBS ids, even if each has a line of its own


def download(request: Request, services: Services) -> ResponseReturnValue:
    """Return what ?fid=, ?job= or ?jobs= names to the bearer of a token, or of a signed link.

    A browser that follows a signed link gets every refusal as a page. A POST has a list of jobs as its body.
    """
    if request.method == "POST":
        return archive_response(jobs_of_body(request, services), services)
    if "token" not in request.args:
        return _download(request, services)
    try:
        return _download(request, services)
    except SoundliftError as error:
        return link_refusal(error, request, services)


def _download(request: Request, services: Services) -> ResponseReturnValue:
    if "jobs" in request.args:
        return archive_response(jobs_of_query(request, services), services)
    job = _find_by_link(request, services) if "token" in request.args else _find_by_bearer(request, services)
    bind_job(job.id)
    fid = require_audio(job)
    return store_redirect(request, job, fid, services) or audio_response(request, job, services.mp3s.open(fid))


def _find_by_bearer(request: Request, services: Services) -> Job:
    identity = services.identify(request.headers.get("Authorization"), scope=Scope.DOWNLOAD)
    if fid := request.args.get("fid"):
        job = services.jobs.find_by_mp3(fid)
    elif job_id := request.args.get("job"):
        job = services.jobs.find(job_id)
    else:
        raise BadRequest("fid is required")
    if job is None or job.state in HIDDEN or not identity.may_see(job.username):
        raise NotFound("You have no such audio file; check its id.")
    return job


def _find_by_link(request: Request, services: Services) -> Job:
    linked_fid = services.tokens.linked_audio(request.args["token"])
    fid = request.args.get("fid")
    if not fid:
        raise BadRequest("fid is required")
    if fid != linked_fid:
        raise NotAuthorized("The link is for a different audio file.")
    job = services.jobs.find_by_mp3(fid)
    if job is None or job.state in HIDDEN:
        raise NotFound("This audio file has been deleted.")
    return job


app = http_function(
    download,
    methods=["GET", "HEAD", "POST"],
    needs=["tokens", "database", "mp3s"],
    max_body_bytes=MAX_LIST_BYTES,
)
allow_cross_origin(app)
