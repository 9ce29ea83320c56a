"""The waveform of a job's audio."""

from __future__ import annotations

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import NoWaveform
from soundlift.common.services import Services

from .arguments import own_job

CACHE_SECONDS = 24 * 3600  # it changes only with the audio file, whose id is the entity tag


def show_waveform(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Return the peaks of equal parts of a job's audio, from 0 to 255 for full scale, and its length in seconds."""
    job = own_job(job_id, request, services, Scope.JOBS_READ)
    peaks = services.jobs.waveform(job.id)
    if not peaks:
        raise NoWaveform("This job has no waveform.")
    response = jsonify(peaks=list(peaks), length=job.length)
    response.set_etag(str(job.mp3_fid))
    response.headers["Cache-Control"] = f"private, max-age={CACHE_SECONDS}"
    return response.make_conditional(request)
