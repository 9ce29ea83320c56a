"""The content of a mail as HTML that looks like the page.

Mail programs differ: Gmail ignores dark mode, and Outlook ignores round corners and the padding of links. So elements
have their style for light mode inline, and the style sheet only changes colors. A button has thick borders instead of
padding. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import html

from .content import Link, MailContent

FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
BREAK = "overflow-wrap:anywhere;word-break:break-word"
STYLES = {
    "paper": f"margin:0;padding:32px 12px;background:#faf9f7;color:#1d1b19;{FONT};font-size:16px;line-height:1.5",
    "name": "max-width:520px;margin:0 auto 16px;padding:0 4px;color:#0f6b5c;font-size:17px;font-weight:600",
    "card": "max-width:464px;margin:0 auto;padding:28px;background:#ffffff;border:1px solid #e4dfd9;border-radius:12px",
    "heading": "margin:0 0 20px;font-size:24px;line-height:1.25;font-weight:600;letter-spacing:-0.01em",
    "file": f"margin:0;font-weight:600;{BREAK}",
    "facts": "margin:2px 0 0;color:#655f59;font-size:15px",
    "paragraph": f"margin:16px 0 0;{BREAK}",
    "action": "margin:24px 0 0",
    "button": "display:inline-block;background:#0f6b5c;border:solid #0f6b5c;border-width:11px 24px;border-radius:12px;"
    "color:#ffffff;font-weight:600;text-decoration:none;line-height:1.4",
    "other": "margin:20px 0 0",
    "link": "color:#0f6b5c",
    "notes": "margin:28px 0 0;padding:14px 0 0;border-top:1px solid #e4dfd9;color:#655f59;font-size:14px",
    "note": "margin:6px 0 0",
    "reason": f"max-width:520px;margin:16px auto 0;padding:0 4px;color:#655f59;font-size:13px;{BREAK}",
}
DARK = """
:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){
.paper{background:#161513!important;color:#f2efeb!important}
.card{background:#1f1d1b!important;border-color:#37332f!important}
.facts,.notes,.reason{color:#a8a19a!important}
.notes{border-color:#37332f!important}
.name,.link{color:#5cc8b2!important}
.button{background:#5cc8b2!important;border-color:#5cc8b2!important;color:#08251f!important}
}
"""
HEAD = (
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
)


def html_body(content: MailContent) -> str:
    """Return a mail as an HTML page."""
    main, *others = content.links
    notes = "".join(_element("p", "note", note) for note in content.notes)
    card = [
        _element("h1", "heading", content.heading),
        # dir="auto", so that it orders no text around it
        _styled("p", "file", html.escape(content.file), ' dir="auto"') if content.file else "",
        _element("p", "facts", " · ".join(content.facts)) if content.facts else "",
        *(_element("p", "paragraph", text) for text in content.paragraphs),
        _styled("p", "action", _anchor("button", main)),
        *(_styled("p", "other", _anchor("link", link)) for link in others),
        _styled("div", "notes", notes) if notes else "",
    ]
    body = [
        _element("p", "name", "Soundlift"),
        _styled("div", "card", "\n".join(filter(None, card))),
        _element("p", "reason", content.reason),
    ]
    title, paper = html.escape(content.subject), _styled("div", "paper", "\n".join(body))
    return (
        f'<!doctype html>\n<html lang="en">{HEAD}<title>{title}</title><style>{DARK}</style></head>\n'
        f'<body class="paper" style="margin:0;background:#faf9f7"><div role="main">{paper}</div></body></html>\n'
    )


def _element(tag: str, kind: str, text: str) -> str:
    return _styled(tag, kind, html.escape(text))


def _styled(tag: str, kind: str, inner: str, attributes: str = "") -> str:
    return f'<{tag} class="{kind}" style="{STYLES[kind]}"{attributes}>{inner}</{tag}>'


def _anchor(kind: str, link: Link) -> str:
    address, label = html.escape(link.url), html.escape(link.label)
    return f'<a class="{kind}" href="{address}" style="{STYLES[kind]}">{label}</a>'
