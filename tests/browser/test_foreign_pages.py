"""In a browser with a session, pages of other servers on this machine or elsewhere can neither use nor end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from devservers.local_stack import Stack
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.sessions import COOKIE

SIGN_IN = """async ([email, password]) => {
    const json = {email, password, refresh: "cookie"};
    const headers = {"Content-Type": "application/json"};
    return (await fetch("../login", {method: "POST", headers, body: JSON.stringify(json)})).status;
}"""
REFRESH = """async () => {
    const headers = {"Content-Type": "application/json"};
    return (await fetch("../login/refresh", {method: "POST", headers, body: "{}"})).status;
}"""
FORM = """([url, type, name, value]) => {
    const form = Object.assign(document.createElement("form"), {method: "POST", action: url, enctype: type});
    form.append(Object.assign(document.createElement("input"), {name, value}));
    document.body.append(form);
    form.submit();
}"""
FETCH = """async ([url, type]) => {
    const options = {method: "POST", credentials: "include", body: "{}", headers: {"Content-Type": type}};
    try { return (await fetch(url, {...options, mode: type === "text/plain" ? "no-cors" : "cors"})).type; }
    catch { return "refused"; }
}"""


class EmptyPage(BaseHTTPRequestHandler):
    """A page without content, of any path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another server</title><body></body>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _empty_pages() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def foreign_port() -> Iterator[int]:
    with _empty_pages() as port:
        yield port


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as context:
        yield context


@pytest.fixture
def own_page(context: BrowserContext, stack: Stack, account: str) -> Page:
    """Return a page of the service in a browser that is signed in."""
    page = context.new_page()
    page.goto(f"{stack.url}/web/")
    assert page.evaluate(SIGN_IN, [account, PASSWORD]) == 200
    return page


def cookie(context: BrowserContext) -> dict[str, object]:
    (found,) = (each for each in context.cookies() if each.get("name") == COOKIE)
    return dict(found)


def test_a_browser_keeps_the_cookie_for_login_only_and_from_scripts(context: BrowserContext, own_page: Page) -> None:
    found = cookie(context)
    assert {name: found[name] for name in ("path", "httpOnly", "sameSite", "secure")} == {
        "path": "/login",
        "httpOnly": True,
        "sameSite": "Strict",
        "secure": False,
    }
    assert own_page.evaluate("document.cookie") == ""
    with own_page.expect_request("**/validate") as elsewhere:
        own_page.evaluate("fetch('../validate')")
    with own_page.expect_request("**/login/refresh") as renewal:
        assert own_page.evaluate(REFRESH) == 200
    assert "cookie" not in elsewhere.value.all_headers()
    assert renewal.value.all_headers()["cookie"] == f"{COOKIE}={found['value']}"
    assert cookie(context)["value"] != found["value"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the same site on another port, and another site
@pytest.mark.parametrize("path", ["/login/refresh", "/login/sign-out"])
def test_a_foreign_page_cannot_use_the_session(
    context: BrowserContext, own_page: Page, stack: Stack, foreign_port: int, host: str, path: str
) -> None:
    before = cookie(context)
    for enctype, name, value in (
        ("text/plain", '{"padding":"', '"}'),
        ("application/x-www-form-urlencoded", "a", "b"),
        ("multipart/form-data", "a", "b"),
    ):
        page = context.new_page()
        page.goto(f"http://{host}:{foreign_port}/")
        with page.expect_response(f"{stack.url}{path}") as response:
            page.evaluate(FORM, [stack.url + path, enctype, name, value])
        assert response.value.status == 403, enctype
    page = context.new_page()
    page.goto(f"http://{host}:{foreign_port}/")
    for enctype in ("text/plain", "application/json"):
        assert page.evaluate(FETCH, [stack.url + path, enctype]) == "refused", enctype
    assert cookie(context) == before
    assert own_page.evaluate(REFRESH) == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_foreign_page_cannot_sign_the_browser_in_to_another_account(
    context: BrowserContext,
    own_page: Page,
    stack: Stack,
    stack_services: Services,
    admin: str,
    foreign_port: int,
    host: str,
) -> None:
    before = cookie(context)
    page = context.new_page()
    page.goto(f"http://{host}:{foreign_port}/")
    body = f'{{"email":"{admin}","password":"{PASSWORD}","refresh":"cookie","padding":"'
    with page.expect_response(f"{stack.url}/login") as response:
        page.evaluate(FORM, [f"{stack.url}/login", "text/plain", body, '"}'])
    assert response.value.status == 403
    assert stack_services.sessions.end_all(admin) == 0
    assert cookie(context) == before
