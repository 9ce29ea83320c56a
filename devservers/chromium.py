"""The installed Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from devservers.server import NotInstalled

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSECURE_HOST = "soundlift.test"  # this machine, but no secure context, as without TLS in a local network
# Chromium obeys only the last of several --disable-features, so Playwright's own are repeated here.
DISABLED_FEATURES = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
    "msEdgeUpdateLaunchServicesPreferredVersion",
    "msForceBrowserSignIn",
    # Each window without a screen would load these popups of the address bar, which costs more than the page itself.
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
    "SpareRendererForSitePerProcess",  # it starts a process for the next page, which most tests never open
)
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(DISABLED_FEATURES)}",
    "--autoplay-policy=no-user-gesture-required",
    f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
]


class CannotDrive(Exception):
    """A Chromium that this Playwright cannot drive; the message names both versions."""


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Start a headless Chromium; raises NotInstalled or CannotDrive."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise NotInstalled("Chromium", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = _launch(playwright, program)
        try:
            yield browser
        finally:
            browser.close()


def _launch(playwright: Playwright, program: str) -> Browser:
    """Start the program and let it evaluate an expression.

    Playwright's makers test it only with the Chromium of the same release, which is not the one used here.
    """
    try:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = browser.new_page()
        page.evaluate("document.title")
        page.close()
    except Error as error:
        installed = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout.strip()
        raise CannotDrive(
            f"Playwright {version('playwright')} cannot drive {installed or program}; "
            f"pin a Playwright of about the same age in pyproject.toml and constraints.txt. {error}"
        ) from None
    return browser
