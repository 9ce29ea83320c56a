"""notify: the email that a request for a link calls for, decided when it is sent."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from devservers.mail_server import MailServer
from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import CLAIM_SECONDS, PasswordLink, Purpose
from soundlift.common.events import link_event, to_http
from soundlift.common.services import Services
from tests.api.notify.test_mail_content import Page
from tests.factories.password_links import LINK, NEW, age_links, requested_links
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA

Send = Callable[[PasswordLink], int]


@pytest.fixture
def send(client: FlaskClient) -> Send:
    """Return a function that posts the event of a link, and returns the status of the response."""

    def post(link: PasswordLink) -> int:
        headers, body = to_http(link_event(link.id, requested_at=link.created_at))
        return client.post("/", data=body, headers=headers).status_code

    return post


def parts(mail: EmailMessage) -> tuple[str, Page]:
    plain, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and html is not None
    return plain.get_content().replace("\r\n", "\n"), Page(html.get_content())


def token_in(mail: EmailMessage) -> OpaqueToken:
    found = LINK.search(parts(mail)[0])
    assert found is not None
    token = OpaqueToken.parse(found[2])
    assert token is not None
    return token


@pytest.mark.parametrize(
    ("email", "purpose", "subject", "period"),
    [
        (NEW, Purpose.SIGN_UP, "Create your Soundlift account", "24 hours"),
        (ADA, Purpose.RESET, "Choose a new Soundlift password", "60 minutes"),
    ],
)
def test_the_email_has_one_link_that_opens_the_page(
    send: Send, services: Services, mail_server: MailServer, email: str, purpose: Purpose, subject: str, period: str
) -> None:
    assert send(services.password_links.request(email, purpose)) == 204
    (mail,) = mail_server.messages
    assert (mail["To"], mail["Subject"], mail["Auto-Submitted"]) == (email, subject, "auto-generated")
    assert mail_server.recipients == [[email]]
    plain, page = parts(mail)
    token = token_in(mail)
    assert page.links == [f"http://127.0.0.1:8080/web/#{purpose}={token.text}"]
    assert f"The link works once, for {period}, until " in plain
    assert "Sent by Soundlift at 127.0.0.1:8080, because" in page.text
    found = services.password_links.find(token)
    assert found is not None and (found.email, found.purpose) == (email, purpose)


def test_an_address_that_has_an_account_is_told_so_and_gets_no_link(
    send: Send, services: Services, mail_server: MailServer
) -> None:
    assert send(services.password_links.request(ADA, Purpose.SIGN_UP)) == 204
    (mail,) = mail_server.messages
    assert (mail["To"], mail["Subject"]) == (ADA, "You already have a Soundlift account")
    assert parts(mail)[1].links == ["http://127.0.0.1:8080/web/"]
    assert requested_links(services) == []


@pytest.mark.parametrize(
    ("email", "purpose"),
    [(NEW, Purpose.RESET), ("bob@example.org", Purpose.RESET), ("bob@example.org", Purpose.SIGN_UP)],
)
def test_whoever_has_no_account_or_a_disabled_one_gets_no_email_about_it(
    send: Send, services: Services, mail_server: MailServer, email: str, purpose: Purpose
) -> None:
    services.users.disable("bob@example.org")
    assert send(services.password_links.request(email, purpose)) == 204
    assert mail_server.messages == []
    assert requested_links(services) == []


def test_a_repeated_event_sends_no_second_email(send: Send, services: Services, mail_server: MailServer) -> None:
    for email in (NEW, ADA):
        link = services.password_links.request(email, Purpose.SIGN_UP)
        assert [send(link) for _ in range(3)] == [204] * 3
    assert len(mail_server.messages) == 2


def test_an_event_is_retried_while_another_worker_sends_the_email(
    client: FlaskClient, send: Send, services: Services, mail_server: MailServer
) -> None:
    link = services.password_links.request(NEW, Purpose.SIGN_UP)
    assert services.password_links.claim(link.id) is not None
    headers, body = to_http(link_event(link.id, requested_at=link.created_at))
    assert_problem(client.post("/", data=body, headers=headers), 429, code="busy")
    age_links(services, CLAIM_SECONDS + 1)
    assert send(link) == 204
    assert len(mail_server.messages) == 1


def test_an_email_that_is_refused_for_now_is_sent_later_with_a_link_that_works(
    send: Send, services: Services, mail_server: MailServer
) -> None:
    link = services.password_links.request(NEW, Purpose.SIGN_UP)
    mail_server.replies["RCPT"] = "451 not now"
    assert send(link) == 503
    mail_server.replies.clear()
    assert send(link) == 204
    (mail,) = mail_server.messages
    assert services.password_links.find(token_in(mail)) is not None


def test_an_email_that_is_refused_for_good_leaves_no_link(
    send: Send, services: Services, mail_server: MailServer
) -> None:
    link = services.password_links.request(NEW, Purpose.SIGN_UP)
    mail_server.replies["RCPT"] = "550 no such user"
    assert send(link) == 204
    assert requested_links(services) == []


@pytest.mark.parametrize("data", [{}, {"link_id": 1}, {"link_id": None}])
def test_a_forged_event_without_an_id_is_unusable(client: FlaskClient, data: dict[str, object]) -> None:
    headers, body = to_http(link_event("x", requested_at=0))
    body = body.replace(b'{"link_id": "x"}', str(data).replace("'", '"').replace("None", "null").encode())
    assert_problem(client.post("/", data=body, headers=headers), 400, code="bad_event")


def test_a_forged_event_sends_nothing(send: Send, mail_server: MailServer) -> None:
    for link_id in ("x", "0" * 24, "' OR 1=1", "🎵" * 100):
        assert send(PasswordLink(link_id, ADA, Purpose.RESET, 0)) == 204
    assert mail_server.messages == []


def test_no_link_is_logged_or_in_an_event(send: Send, services: Services, mail_server: MailServer) -> None:
    link = services.password_links.request(ADA, Purpose.RESET)
    _, event = to_http(link_event(link.id, requested_at=link.created_at))
    assert ADA.encode() not in event
    with capture_logs() as logs:
        send(link)
    assert token_in(mail_server.messages[0]).secret not in str(logs)
