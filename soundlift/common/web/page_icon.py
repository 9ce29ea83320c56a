"""The icon of every page. A page without one makes browsers ask for /favicon.ico, which may be another site's."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

ICON = Path(__file__).with_name("icon.svg").read_bytes()
# For a page that loads no other file, whatever the path at which it is shown; `page_policy` permits it.
INLINE_ICON = f'<link rel="icon" href="data:image/svg+xml,{quote(ICON)}" type="image/svg+xml">'
