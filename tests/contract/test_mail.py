"""Mail over SMTP: TLS, passwords, refusals, and servers that stall or break."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import pytest

from devservers.certificates import Authority
from devservers.forwarder import Forwarder
from devservers.mail_server import MailServer
from devservers.waiting import wait_for
from soundlift.common.errors import MailRefused, MailUnavailable, SettingError
from soundlift.common.mail import MAX_TOTAL_SECONDS, Mail
from soundlift.common.notifications.model import CLAIM_SECONDS

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

USER = ("soundlift", "p@ss/word")
CREDENTIALS = "soundlift:p%40ss%2Fword@"
RECIPIENT = "ada@example.org"
TEMPORARY, PERMANENT = "451 not now", "554 never"
Start = Callable[..., MailServer]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    """Return the TLS context of a server."""
    return create_context(*authority.issue())


def create_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a server."""
    started: list[MailServer] = []

    def start(**options: object) -> MailServer:
        started.append(MailServer(**options).__enter__())  # type: ignore[arg-type]  # passed on unchanged
        return started[-1]

    yield start
    for server in started:
        server.stop()


def message() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "soundlift@localhost"
    message["To"] = RECIPIENT
    message["Subject"] = "Ünïcode 🎵"
    message.set_content("Hello")
    return message


def test_starttls_is_used_if_the_server_offers_it(start: Start, context: ssl.SSLContext, authority: Authority) -> None:
    server = start(starttls=context)
    Mail(server.url, ca_file=str(authority.ca_file)).send(message(), RECIPIENT)
    assert (server.recipients, server.over_tls) == ([[RECIPIENT]], [True])


def test_smtps_is_tls_from_the_first_byte(start: Start, context: ssl.SSLContext, authority: Authority) -> None:
    server = start(tls=context)
    Mail(server.url, ca_file=str(authority.ca_file)).send(message(), RECIPIENT)
    assert (server.recipients, server.over_tls) == ([[RECIPIENT]], [True])


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_rejected(start: Start, context: ssl.SSLContext, way: str) -> None:
    server = start(**{way: context})
    with pytest.raises(MailUnavailable) as raised:
        Mail(server.url).send(message(), RECIPIENT)
    assert "certificate" in raised.value.evidence["cause"]
    assert server.messages == []


def test_a_certificate_of_another_host_is_rejected(start: Start, authority: Authority) -> None:
    server = start(starttls=create_context(*authority.issue("other.example.org", "127.0.0.2")))
    with pytest.raises(MailUnavailable) as raised:
        Mail(server.url, ca_file=str(authority.ca_file)).send(message(), RECIPIENT)
    assert "127.0.0.1" in raised.value.evidence["cause"]
    assert server.messages == []


def test_user_and_password_in_the_url_are_sent_to_the_server(
    start: Start, context: ssl.SSLContext, authority: Authority
) -> None:
    server = start(starttls=context, login=USER)
    Mail(f"smtp://{CREDENTIALS}{server.address}", ca_file=str(authority.ca_file)).send(message(), RECIPIENT)
    assert len(server.messages) == 1


def test_a_wrong_password_is_a_temporary_failure(start: Start, context: ssl.SSLContext, authority: Authority) -> None:
    server = start(starttls=context, login=USER)
    mail = Mail(f"smtp://soundlift:wrong@{server.address}", ca_file=str(authority.ca_file))
    for use in (lambda: mail.send(message(), RECIPIENT), mail.check):
        with pytest.raises(MailUnavailable):
            use()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_without_tls_a_password_is_sent_only_to_this_machine(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(login=USER)
    mail = Mail(f"smtp://{CREDENTIALS}{server.address}")
    mail.send(message(), RECIPIENT)
    assert len(server.messages) == 1
    monkeypatch.setattr("soundlift.common.mail._is_local", lambda connection: False)
    with pytest.raises(MailUnavailable, match="no TLS"):
        mail.send(message(), RECIPIENT)


def test_a_mail_goes_to_its_recipient_only_regardless_of_its_headers(start: Start) -> None:
    server, mail_with_copies = start(), message()
    for name, address in {"Cc": "bob@example.org", "Bcc": "carl@example.org"}.items():
        mail_with_copies[name] = address
    Mail(server.url).send(mail_with_copies, "eve@example.org")
    assert server.recipients == [["eve@example.org"]]
    assert server.messages[0]["Bcc"] is None


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_refused_mail_leaves_no_connection_open(start: Start, command: str) -> None:
    server = start()
    server.replies[command] = TEMPORARY
    with Forwarder(int(server.address.rpartition(":")[2])) as forwarder:
        with pytest.raises(MailUnavailable) as raised:
            Mail(f"smtp://127.0.0.1:{forwarder.port}").send(message(), RECIPIENT)
        wait_for(lambda: forwarder.connections == 0, "the connection is closed")
    # The error must outlive this wait, because the frames of its traceback would keep an open connection alive.
    assert "not now" in raised.value.evidence["cause"]


@pytest.mark.parametrize(
    ("command", "reply"), [("MAIL", TEMPORARY), ("RCPT", TEMPORARY), ("RCPT", "499 not now"), ("DATA", TEMPORARY)]
)
def test_a_temporary_refusal_is_a_temporary_failure(start: Start, command: str, reply: str) -> None:
    server = start()
    server.replies[command] = reply
    with pytest.raises(MailUnavailable) as unavailable:
        Mail(server.url).send(message(), RECIPIENT)
    assert "not now" in unavailable.value.evidence["cause"]
    server.replies.clear()
    Mail(server.url).send(message(), RECIPIENT)
    assert len(server.messages) == 1


@pytest.mark.parametrize(("command", "reply"), [("RCPT", PERMANENT), ("RCPT", "500 never"), ("DATA", PERMANENT)])
def test_a_permanent_refusal_quotes_the_server_s_reply(start: Start, command: str, reply: str) -> None:
    server = start()
    server.replies[command] = reply
    with pytest.raises(MailRefused, match=reply):
        Mail(server.url).send(message(), RECIPIENT)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 25)),
        ("smtps://mail.example.org", ("mail.example.org", 465)),
        ("smtp://user:word@mail.example.org:587", ("mail.example.org", 587)),
    ],
)
def test_a_url_without_a_port_uses_the_default_port(
    monkeypatch: pytest.MonkeyPatch, url: str, address: tuple[str, int]
) -> None:
    attempts = []

    def refuse(address: tuple[str, int], timeout: float, *_: object) -> socket.socket:
        attempts.append((address, timeout))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(MailUnavailable):
        Mail(url, timeout=3).check()
    assert attempts == [(address, 3)]


def test_an_address_that_the_server_cannot_have_is_a_permanent_refusal(start: Start) -> None:
    address = "zo\u00eb@example.org"
    mail = EmailMessage()
    mail["From"], mail["To"] = "soundlift@example.org", address
    server = start()
    Mail(server.url).send(mail, recipient=address)
    assert server.recipients == [[address]]
    with pytest.raises(MailRefused, match="only addresses in ASCII"):
        Mail(start(utf8=False).url).send(mail, recipient=address)
    mail.replace_header("From", address)
    with pytest.raises(MailUnavailable):
        Mail(start(utf8=False).url).send(mail, recipient="ada@example.org")


def test_a_refused_sender_is_a_temporary_failure(start: Start) -> None:
    server = start()
    server.replies["MAIL"] = PERMANENT
    with pytest.raises(MailUnavailable):
        Mail(server.url).send(message(), RECIPIENT)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_stalled_server_is_abandoned_after_the_timeout(start: Start, command: str) -> None:
    server = start()
    server.stalls.add(command)
    with pytest.raises(MailUnavailable):
        Mail(server.url, timeout=0.3).send(message(), RECIPIENT)


def test_the_wait_for_all_replies_together_is_limited(start: Start) -> None:
    server = start()
    server.delay_seconds = 0.3
    with pytest.raises(MailUnavailable):
        Mail(server.url, timeout=0.5, total_timeout=0.5).send(message(), RECIPIENT)
    assert server.messages == []
    Mail(server.url).send(message(), RECIPIENT)
    assert len(server.messages) == 1


def test_a_mail_ends_before_the_claim_of_its_notification_lapses() -> None:
    assert MAX_TOTAL_SECONDS < CLAIM_SECONDS <= 60


@pytest.mark.parametrize("trouble", ["stalls", "replies"])
def test_an_accepted_mail_is_sent_even_if_quit_fails(
    start: Start, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quit_within_little_time(connection: smtplib.SMTP) -> None:
        assert connection.sock is not None
        connection.sock.settimeout(0.3)
        connection.docmd("QUIT")

    monkeypatch.setattr(smtplib.SMTP, "quit", quit_within_little_time)
    server = start()
    if trouble == "stalls":
        server.stalls.add("QUIT")
    else:
        server.replies["QUIT"] = TEMPORARY
    Mail(server.url).send(message(), RECIPIENT)
    assert len(server.messages) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_never_greets_is_abandoned_after_the_timeout(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = Mail(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        for use in (lambda: mail.send(message(), RECIPIENT), mail.check):
            with pytest.raises(MailUnavailable):
                use()


def test_a_broken_connection_is_immediately_a_temporary_failure(start: Start) -> None:
    server = start()
    server.stalls.add("DATA")
    with Forwarder(int(server.address.rpartition(":")[2])) as forwarder, ThreadPoolExecutor(1) as pool:
        mail = Mail(f"smtp://127.0.0.1:{forwarder.port}", timeout=600)
        sending = pool.submit(mail.send, message(), RECIPIENT)
        wait_for(lambda: "DATA" in server.commands, "the mail is on its way")
        forwarder.drop_connections()
        with pytest.raises(MailUnavailable):
            sending.result(30)
    assert server.messages == []


@pytest.mark.parametrize("url", ["", "mail.example.org", "http://mail.example.org", "smtp://", "smtp://a:w%C3%B6rd@b"])
def test_an_invalid_smtp_url_is_an_error_that_names_the_setting(url: str) -> None:
    with pytest.raises(SettingError, match="SMTP_URL") as raised:
        Mail(url)
    assert raised.value.evidence == {"setting": "SMTP_URL"}


def test_an_invalid_certificate_file_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for name in ("empty", "missing"):
        with pytest.raises(SettingError, match="SMTP_CA_FILE") as raised:
            Mail("smtp://127.0.0.1", ca_file=str(tmp_path / name))
        assert raised.value.evidence == {"setting": "SMTP_CA_FILE"}
