"""Playwright drives the installed Chromium, and the tests notice what goes wrong in it."""

from __future__ import annotations

import re

from playwright.sync_api import Browser

from tests.browser.visits import Visits


def test_playwright_drives_this_chromium(browser: Browser) -> None:
    with browser.new_context(color_scheme="dark", reduced_motion="reduce", forced_colors="active") as context:
        page = context.new_page()
        for feature in ("prefers-color-scheme: dark", "prefers-reduced-motion: reduce", "forced-colors: active"):
            assert page.evaluate("feature => matchMedia(`(${feature})`).matches", feature), feature
        session = context.new_cdp_session(page)
        assert session.send("Browser.getVersion")["product"].endswith(browser.version)
        context.set_offline(True)
        assert page.evaluate("navigator.onLine") is False


def test_what_playwright_disables_stays_disabled(browser: Browser) -> None:
    command_line = browser.new_browser_cdp_session().send("SystemInfo.getInfo")["commandLine"]
    *others, obeyed = (set(names.split(",")) for names in re.findall(r"--disable-features=(\S+)", command_line))
    assert others
    assert set().union(*others) - obeyed == set()


def test_what_the_policy_blocks_is_noticed(visits: Visits) -> None:
    visit = visits()
    visit.page.evaluate("document.body.setAttribute('style', 'color: red')")
    visit.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/a.png'}))")
    visit.page.evaluate("setTimeout(() => document.body.innerHTML = '<p>')")
    visit.page.evaluate("setTimeout(() => { throw new Error('a defect') })")
    for cause in ("inline style", "elsewhere.example", "TrustedHTML", "a defect"):
        visits.wait_for_error(cause)
    visits.errors.clear()
