"""The request to import a video: a JSON object with its URL, the options, and perhaps a name for the file."""

from __future__ import annotations

from typing import Any

from flask import Request

from soundlift.common.errors import BadRequest, BadSource, TooLarge
from soundlift.common.file_names import clean_name, name_in_path
from soundlift.common.jobs.import_requests import UNKNOWN_TYPE, ImportRequest
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.json_text import read_json
from soundlift.common.logging import bind_job, current_traceparent
from soundlift.common.options.parsing import parse_options
from soundlift.common.outbound.errors import BadUrl
from soundlift.common.outbound.policy import OutboundPolicy
from soundlift.common.outbound.url import Url, permitted_url
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.application import BODY_SECONDS
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.webhooks.named import with_webhook_id

from .earlier import find_job_or_take_over
from .idempotency_key import KeyedRequest
from .json_options import option_texts

MAX_BYTES = 16 * 1024


def request_import(
    request: Request, services: Services, username: str, limits: Limits, keyed: KeyedRequest | None
) -> tuple[Job, bool]:
    """Return the job of an import, and whether it is new: an earlier request with the same key may have made it.

    Raises BadRequest, BadSource, BadOption, TooLarge, UploadInProgress, UploadDeleted, IdempotencyKeyReused,
    TooManyJobs, StorageFull, TooManyUploads, TooManyMinutes or DatabaseUnavailable.
    """
    members = _read(request)
    text, name = _text(members, "url"), _text(members, "name", default="")
    url = _permitted_url(text, services.settings)
    given = [*request.args.items(multi=True), *option_texts(members)]
    options = parse_options(given, services.settings)
    file_name = clean_name(name) if name else name_in_path(url.path)
    key = keyed.key_of([*given, ("url", text)], file_name, UNKNOWN_TYPE) if keyed else None
    if key and (earlier := find_job_or_take_over(key, services.jobs)):
        return earlier, False
    options = with_webhook_id(options, username, services)
    wanted = ImportRequest(
        url=text,
        shown_url=f"{url.origin}{url.path}",
        file_name=file_name,
        is_named=bool(name),
        options=options.to_json(),
        traceparent=current_traceparent(),
    )
    job = services.jobs.request_import(wanted, username=username, reservation=Reservation(0, limits), key=key)
    bind_job(job.id)
    return job, True


def _read(request: Request) -> dict[str, Any]:
    limit_body_time(BODY_SECONDS)
    body = b""
    while block := request.stream.read(MAX_BYTES + 1 - len(body)):
        body += block
        if len(body) > MAX_BYTES:
            raise TooLarge(f"A JSON body may have at most {MAX_BYTES} bytes.")
    try:
        members = read_json(body)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise BadRequest('The JSON body must be an object, such as {"url": "https://example.org/talk.mp4"}.')
    return members


def _text(members: dict[str, Any], name: str, *, default: str | None = None) -> str:
    """Take a member out of the object, and return its text."""
    value = members.pop(name, default)
    if not isinstance(value, str):
        raise BadRequest(f"The JSON body must have the member {name}, a string.")
    return value


def _permitted_url(text: str, settings: Settings) -> Url:
    """Return a URL; raises BadSource if nothing is imported from it. The addresses of a name are checked later."""
    try:
        return permitted_url(text, OutboundPolicy(settings.outbound_allow, settings.outbound_ports))
    except BadUrl as error:
        raise BadSource(error.detail) from None
