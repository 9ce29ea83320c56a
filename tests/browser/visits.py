"""Browser contexts in which the page is used, and what a user does there."""

from __future__ import annotations

import re
import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    Route,
    expect,
)

from devservers.waiting import wait_for
from tests.factories.accounts import PASSWORD

API = re.compile(r"(/function)?/(login|jobs|hooks|upload|download)(/|$)")
PATIENCE_MILLISECONDS = 20_000


class Visit:
    """One tab with the page."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()

    def open(self, path: str = "/web/") -> Self:
        self.page.goto(path)
        return self

    def another_tab(self) -> Visit:
        """Return the page in another tab of the same browser."""
        return Visit(self.context).open()

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        self.email.fill(email)
        self.password.fill(password)
        self.button("Sign in").click()
        expect(self.button("Sign out")).to_be_visible()

    @property
    def email(self) -> Locator:
        """Return the field of the sign-in form that is shown: on the page, or in the dialog of an expired session."""
        return self.page.get_by_label("Email address").filter(visible=True)

    @property
    def password(self) -> Locator:
        return self.page.get_by_label("Password").filter(visible=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def upload(self, *files: Path | FilePayload) -> None:
        """Choose files with the file picker."""
        self.page.get_by_label("Choose videos").set_input_files(list(files))  # type: ignore[arg-type]

    @property
    def uploads(self) -> Locator:
        """Return the rows of the uploads in progress."""
        return self.page.get_by_role("list", name="Uploads").get_by_role("listitem")

    @property
    def rows(self) -> Locator:
        """Return the rows of all jobs."""
        return self.page.locator("li.job")

    def row(self, name: str) -> Locator:
        """Return the row of the job of a file."""
        return self.rows.filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def expect_state(self, name: str, state: str) -> Locator:
        """Wait until the job of a file is in a state, and return its row."""
        row = self.row(name)
        expect(row).to_have_attribute("data-state", state)
        return row

    def job_id(self, name: str) -> str:
        """Return the id of the job of a file."""
        return (self.row(name).get_attribute("id") or "").removeprefix("job-")

    def set_clock(self, seconds: float) -> None:
        """Let the page's clock be so far ahead of the true time; its timers are not affected."""
        self.page.clock.set_system_time(time.time() + seconds)

    def hold_requests(self, url: str | re.Pattern[str]) -> list[Route]:
        """Return a list that receives each request to a URL instead of the server."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        self.page.route(url, hold)
        return held

    @cached_property
    def _network(self) -> CDPSession:
        """Return one session for all limits: each session has limits of its own, and the lowest applies."""
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        return session

    def limit_upload(self, bytes_per_second: int) -> None:
        """Let this tab send at most so many bytes per second; -1 removes the limit."""
        limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        self._network.send("Network.emulateNetworkConditions", {"offline": False, **limits})


class Visits:
    """Browser contexts of one test; at the end, their consoles must be without errors."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def __call__(self, path: str = "/web/", **options: Any) -> Visit:
        """Open the page in a new context, whose options are Playwright's."""
        context = self._browser.new_context(base_url=self.url, locale="en-GB", **options)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.on("console", self._note_message)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self._contexts.append(context)
        return Visit(context).open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for context in self._contexts:
            context.close()
        assert error or not self.errors, self.errors

    def wait_for_error(self, text: str) -> None:
        """Wait until an error has been noted whose message contains a text."""
        page = self._contexts[-1].pages[0]
        wait_for(lambda: page.evaluate("1") and any(text in error for error in self.errors), f"{text} is noted")

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_refusal(message):
            self.errors.append(f"{message.type}: {message.text} ({message.location})")


def _is_refusal(message: ConsoleMessage) -> bool:
    """Return whether a message reports that the API refused a request or was unreachable, which is no defect."""
    path = urlsplit(message.location["url"]).path
    return message.text.startswith("Failed to load resource") and API.match(path) is not None
