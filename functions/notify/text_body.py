"""The content of a mail as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from .content import Link, MailContent

LINE_CHARS = 76  # RFC 2045 recommends at most this for encoded lines; links are never broken


def text_body(content: MailContent) -> str:
    """Return a mail as plain text."""
    return "\n\n".join(filter(None, _blocks(content))) + "\n"


def _blocks(content: MailContent) -> Iterator[str]:
    main, *others = content.links
    yield _wrapped([content.heading])
    yield _wrapped([content.file, ", ".join(content.facts)])
    yield _wrapped(content.paragraphs)
    yield _link(main)
    yield from map(_link, others)
    yield _wrapped(content.notes)
    yield "-- \n" + _wrapped([content.reason])


def _link(link: Link) -> str:
    return f"{_wrapped([link.lead_in])}\n{link.url}"


def _wrapped(texts: Iterable[str]) -> str:
    return "\n".join(textwrap.fill(text, LINE_CHARS, break_on_hyphens=False) for text in texts if text)
