"""The page that a browser shows for a signed link that does not work."""

from __future__ import annotations

import html

from flask import Request, Response

from soundlift.common.errors import (
    PROBLEM,
    Gone,
    LinkExpired,
    NotAuthorized,
    NotFound,
    SoundliftError,
)
from soundlift.common.jobs.document import page_address
from soundlift.common.jobs.model import HIDDEN
from soundlift.common.services import Services
from soundlift.common.web.page_icon import INLINE_ICON
from soundlift.common.web.problems import problem_response
from soundlift.common.web.security_headers import page_policy

STYLE = """
:root { color-scheme: light dark; --paper: #faf9f7; --card: #ffffff; --ink: #1d1b19; --muted: #655f59; --line: #e4dfd9;
  --accent: #0f6b5c; --on-accent: #ffffff }
@media (prefers-color-scheme: dark) { :root { --paper: #161513; --card: #1f1d1b; --ink: #f2efeb; --muted: #a8a19a;
  --line: #37332f; --accent: #5cc8b2; --on-accent: #08251f } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif }
main { box-sizing: border-box; max-width: 30rem; margin: 15vh auto 2rem; padding: 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; overflow-wrap: anywhere }
p { margin: 0 0 .5rem; color: var(--muted) }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.3 }
a { display: inline-block; margin-top: 1rem; padding: .625rem 1.25rem; border-radius: 12px; background: var(--accent);
  color: var(--on-accent); text-decoration: none; font-weight: 600 }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
@media (max-width: 34rem) { main { margin: 1rem } }
@media (forced-colors: active) { a { border: 1px solid } }
"""
HEADERS = {
    "Content-Security-Policy": page_policy(STYLE),
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
TEXTS: dict[type[SoundliftError], tuple[str, str, str]] = {  # heading, sentence, and the text of the button
    LinkExpired: ("This link has expired", "Sign in to get a new one.", "Get a new link"),
    Gone: ("This file has expired", "Files are kept for a limited time, and this one has been deleted.", "Sign in"),
    NotFound: ("This file has been deleted", "It is not available any more.", "Sign in"),
    NotAuthorized: (
        "This link does not work",
        "It may have been cut off on its way to you. Sign in to find the file.",
        "Sign in",
    ),
}


def link_refusal(error: SoundliftError, request: Request, services: Services) -> Response:
    """Return the refusal of a signed link, as a page if the client prefers HTML."""
    response = problem_response(error)
    response.headers["Vary"] = "Accept"
    if request.accept_mimetypes.best_match([PROBLEM, "application/json", "text/html"]) != "text/html":
        return response
    address = page_address(services.settings, _job_id(error, request, services))
    response.set_data(_page(error, address))
    response.content_type = "text/html; charset=utf-8"
    response.headers.update(HEADERS)
    return response


def _job_id(error: SoundliftError, request: Request, services: Services) -> str | None:
    """Return the job of a link that this service signed, for the page to open; the page asks for a sign-in."""
    fid = request.args.get("fid", "")
    if not isinstance(error, LinkExpired | Gone) or not services.tokens.is_link_to(request.args["token"], fid):
        return None
    job = services.jobs.find_by_mp3(fid)
    return None if job is None or job.state in HIDDEN else job.id


def _page(error: SoundliftError, address: str) -> str:
    default = (error.title, error.public_detail, "Sign in")
    heading, sentence, button = next((text for kind, text in TEXTS.items() if isinstance(error, kind)), default)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(heading)} – Soundlift</title>"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{INLINE_ICON}<style>{STYLE}</style></head>"
        f"<body><main><p>Soundlift</p><h1>{html.escape(heading)}</h1><p>{html.escape(sentence)}</p>"
        f'<a href="{html.escape(address)}">{button}</a></main></body></html>\n'
    )
