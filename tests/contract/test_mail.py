"""Mail over SMTP: TLS, passwords, refusals, and servers that stall or break."""

from __future__ import annotations

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

USER = ("soundlift", "p@ss/word")
IN_URL = "soundlift:p%40ss%2Fword@"
RECIPIENT = "ada@example.org"
FOR_NOW, FOR_GOOD = "451 not now", "554 never"
Start = Callable[..., MailServer]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    """Return what a server needs for TLS."""
    return context_of(*authority.issue())


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a server."""
    started: list[MailServer] = []

    def start(**options: object) -> MailServer:
        started.append(MailServer(**options).__enter__())  # type: ignore[arg-type]  # handed on as they are
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


def test_starttls_is_used_where_it_is_offered(start: Start, context: ssl.SSLContext, authority: Authority) -> None:
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
    with pytest.raises(MailUnavailable) as refused:
        Mail(server.url).send(message(), RECIPIENT)
    assert "certificate" in refused.value.evidence["cause"]
    assert server.messages == []


def test_a_certificate_of_another_host_is_rejected(start: Start, authority: Authority) -> None:
    server = start(starttls=context_of(*authority.issue("other.example.org", "127.0.0.2")))
    with pytest.raises(MailUnavailable) as refused:
        Mail(server.url, ca_file=str(authority.ca_file)).send(message(), RECIPIENT)
    assert "127.0.0.1" in refused.value.evidence["cause"]
    assert server.messages == []


def test_user_and_password_of_the_url_are_sent_to_the_server(
    start: Start, context: ssl.SSLContext, authority: Authority
) -> None:
    server = start(starttls=context, login=USER)
    Mail(f"smtp://{IN_URL}{server.address}", ca_file=str(authority.ca_file)).send(message(), RECIPIENT)
    assert len(server.messages) == 1


def test_a_wrong_password_is_a_temporary_failure(start: Start, context: ssl.SSLContext, authority: Authority) -> None:
    server = start(starttls=context, login=USER)
    mail = Mail(f"smtp://soundlift:wrong@{server.address}", ca_file=str(authority.ca_file))
    for use in (lambda: mail.send(message(), RECIPIENT), mail.check):
        with pytest.raises(MailUnavailable):
            use()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_without_tls_a_password_is_sent_to_this_machine_only(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(login=USER)
    mail = Mail(f"smtp://{IN_URL}{server.address}")
    mail.send(message(), RECIPIENT)
    assert len(server.messages) == 1
    monkeypatch.setattr("soundlift.common.mail._is_here", lambda connection: False)
    with pytest.raises(MailUnavailable, match="no TLS"):
        mail.send(message(), RECIPIENT)


def test_a_mail_goes_to_its_recipient_only_regardless_of_its_headers(start: Start) -> None:
    server, to_others = start(), message()
    for name, address in {"Cc": "bob@example.org", "Bcc": "carl@example.org"}.items():
        to_others[name] = address
    Mail(server.url).send(to_others, "eve@example.org")
    assert server.recipients == [["eve@example.org"]]
    assert server.messages[0]["Bcc"] is None


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_refused_mail_leaves_no_connection_open(start: Start, command: str) -> None:
    server = start()
    server.replies[command] = FOR_NOW
    with Forwarder(int(server.address.rpartition(":")[2])) as forwarder:
        with pytest.raises(MailUnavailable) as raised:
            Mail(f"smtp://127.0.0.1:{forwarder.port}").send(message(), RECIPIENT)
        wait_for(lambda: forwarder.connections == 0, "the connection is closed")
    # The error outlives that wait: the frames in its traceback hold what was left open.
    assert "not now" in raised.value.evidence["cause"]


@pytest.mark.parametrize(
    ("command", "reply"), [("MAIL", FOR_NOW), ("RCPT", FOR_NOW), ("RCPT", "499 not now"), ("DATA", FOR_NOW)]
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


@pytest.mark.parametrize(("command", "reply"), [("RCPT", FOR_GOOD), ("RCPT", "500 never"), ("DATA", FOR_GOOD)])
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
    asked = []

    def refuse(address: tuple[str, int], timeout: float, *_: object) -> socket.socket:
        asked.append((address, timeout))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(MailUnavailable):
        Mail(url, timeout=3).check()
    assert asked == [(address, 3)]


def test_a_refused_sender_is_a_temporary_failure(start: Start) -> None:
    server = start()
    server.replies["MAIL"] = FOR_GOOD
    with pytest.raises(MailUnavailable):
        Mail(server.url).send(message(), RECIPIENT)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_stalled_server_is_abandoned_after_the_timeout(start: Start, command: str) -> None:
    server = start()
    server.stalls.add(command)
    with pytest.raises(MailUnavailable):
        Mail(server.url, timeout=0.3).send(message(), RECIPIENT)


def test_all_replies_together_are_not_waited_for_longer_than_the_maximum(start: Start) -> None:
    server = start()
    server.delay_seconds = 0.3
    with pytest.raises(MailUnavailable):
        Mail(server.url, timeout=0.5, total_timeout=0.5).send(message(), RECIPIENT)
    assert server.messages == []
    Mail(server.url).send(message(), RECIPIENT)
    assert len(server.messages) == 1


def test_a_mail_takes_less_time_than_the_claim_of_its_notification() -> None:
    assert MAX_TOTAL_SECONDS < CLAIM_SECONDS <= 60


@pytest.mark.parametrize("trouble", ["stalls", "replies"])
def test_an_accepted_mail_is_sent_even_if_quit_fails(start: Start, trouble: str) -> None:
    server = start()
    if trouble == "stalls":
        server.stalls.add("QUIT")
    else:
        server.replies["QUIT"] = FOR_NOW
    Mail(server.url, timeout=0.3).send(message(), RECIPIENT)
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
    with pytest.raises(SettingError, match="SMTP_URL") as refused:
        Mail(url)
    assert refused.value.evidence == {"setting": "SMTP_URL"}


def test_an_invalid_certificate_file_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for name in ("empty", "missing"):
        with pytest.raises(SettingError, match="SMTP_CA_FILE") as refused:
            Mail("smtp://127.0.0.1", ca_file=str(tmp_path / name))
        assert refused.value.evidence == {"setting": "SMTP_CA_FILE"}
