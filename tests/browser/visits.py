"""Browser contexts in which the page is used, and what a user does there."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from devservers.waiting import wait_for
from tests.factories.accounts import PASSWORD

API = ("/login", "/jobs", "/upload", "/download")


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
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def upload(self, *files: Path | dict[str, Any]) -> None:
        """Choose files with the file picker."""
        self.page.locator("input[type=file]").first.set_input_files(list(files))  # type: ignore[arg-type]

    def row(self, name: str) -> Locator:
        """Return the row of the job of a file."""
        return self.page.locator("li.job").filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def expect_state(self, name: str, state: str) -> Locator:
        """Wait until the job of a file is in a state, and return its row."""
        row = self.row(name)
        expect(row).to_have_attribute("data-state", state)
        return row


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
        context.set_default_timeout(20_000)
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
    return message.text.startswith("Failed to load resource") and path.startswith(API)
