"""Every state of the page is accessible and fits: in light and dark, on a phone, magnified, with forced colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from devservers.local_stack import Stack
from soundlift.common.services import Services
from tests.browser.conftest import next_account
from tests.browser.states import STATES, Scene
from tests.browser.visits import Visit, Visits

PHONE = {"width": 320, "height": 640}
DESKTOP = {"width": 1280, "height": 800}
MAGNIFIED = {"width": 640, "height": 400}  # as a window of 1280 by 800 at 200 %
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(element => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1
                       && !element.closest("svg, .visually-hidden"))
    .map(element => element.outerHTML.slice(0, 120))"""
SMALL = """() => [...document.querySelectorAll("button, a[href], input, select, summary, [role=slider]")]
    .filter(element => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".visually-hidden, p"))
    .map(element => [(element.closest("label") ?? element).getBoundingClientRect(), element.outerHTML.slice(0, 120)])
    .filter(([box]) => box.width > 1 && (box.width < 23.5 || box.height < 23.5)).map(([, html]) => html)"""
MOVING = """() => document.getAnimations().filter(animation => animation.playState === "running"
    && animation.effect.getComputedTiming().duration > 1).map(animation => animation.effect.target.outerHTML)"""


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.__name__)
def state(
    request: pytest.FixtureRequest,
    browser: Browser,
    stack: Stack,
    stack_services: Services,
    stack_password_hash: str,
    video: Path,
    silent_video: Path,
) -> Iterator[Visit]:
    """Return the page in a state, which the tests of this file share."""
    accounts = [next_account(stack_services, stack_password_hash, admin=admin) for admin in (False, True)]
    with Visits(browser, stack.url) as visits:
        scene = Scene(visits, stack, stack_services, video, silent_video, *accounts)
        with request.param(scene) as visit:
            visit.page.set_viewport_size(DESKTOP)
            yield visit


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(state: Visit, scheme: str) -> None:
    state.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    results = Axe().run(state.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("window", [PHONE, MAGNIFIED], ids=["phone", "magnified"])
def test_nothing_needs_horizontal_scrolling(state: Visit, window: dict[str, int]) -> None:
    page = state.page
    page.set_viewport_size(window)  # type: ignore[arg-type]
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


def test_targets_are_large_enough_for_fingers(state: Visit) -> None:
    """Assert the minimum of WCAG 2.2, success criterion 2.5.8."""
    state.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert state.page.evaluate(SMALL) == []
    state.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


def test_nothing_moves_for_those_who_do_not_want_it(state: Visit) -> None:
    state.page.emulate_media(reduced_motion="reduce")
    assert state.page.evaluate(MOVING) == []
    state.page.emulate_media(reduced_motion="no-preference")


def test_controls_stay_visible_with_forced_colours(state: Visit) -> None:
    page = state.page
    page.emulate_media(forced_colors="active")
    invisible = page.evaluate(
        """() => [...document.querySelectorAll("button, input:not([type=file], [type=range], [type=checkbox]), select")]
            .filter(element => element.checkVisibility({ visibilityProperty: true }))
            .filter(element => {
                const style = getComputedStyle(element);
                return style.color === style.backgroundColor || style.borderStyle === "none";
            }).map(element => element.outerHTML)"""
    )
    page.emulate_media(forced_colors="none")
    assert invisible == []
