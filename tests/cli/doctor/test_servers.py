"""`soundlift doctor` recognizes the faults of real servers, and prints no password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devservers.certificates import Authority
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.mongodb import MongoDb
from devservers.ports import free_port
from devservers.rabbitmq import RabbitMq
from devservers.s3 import S3
from soundlift.cli.doctor.finding import Finding
from tests.cli.doctor.conftest import Examine, of
from tests.factories.queues import RabbitMqQueues

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PASSWORD = "a-wrong-password"


def _failure(findings: list[Finding], part: str) -> tuple[str, str]:
    assert PASSWORD not in str(findings)
    (found,) = [(detail, advice) for status, detail, advice in of(findings, part) if status == "failed"]
    return found


def test_a_good_mariadb_is_described(examine: Examine, mariadb_url: str) -> None:
    findings = examine(DATABASE_URL=mariadb_url)
    assert "MariaDB" in of(findings, "database")[0][1]
    for part in ("database", "tables", "clock", "connections", "writing"):
        assert [status for status, _, _ in of(findings, part)] == ["ok"], part


@contextmanager
def _user(server: MariaDb, database: str) -> Iterator[str]:
    """Yield the URL for a user without the rights of an administrator."""
    server.execute(
        "CREATE OR REPLACE USER ada@'%' IDENTIFIED BY 'sesame1234'", f"GRANT ALL ON `{database}`.* TO ada@'%'"
    )
    try:
        yield f"mysql://ada:sesame1234@127.0.0.1:{server.port}/{database}"
    finally:
        server.execute("DROP USER ada@'%'")


def test_each_fault_of_a_database_is_explained(examine: Examine, mariadb_server: MariaDb, mariadb_url: str) -> None:
    database = mariadb_url.rpartition("/")[2]
    with _user(mariadb_server, database) as url:
        detail, advice = _failure(examine(DATABASE_URL=url.replace("sesame1234", PASSWORD)), "database")
        assert "Access denied" in detail
        assert advice == "correct the user or the password in DATABASE_URL"
        _, advice = _failure(examine(DATABASE_URL=f"{url}_typo"), "database")
        assert advice.startswith("grant the user")
        for setting, usual, faulty, part, text in (
            ("read_only", "0", "1", "writing", "read-only option"),
            ("init_connect", "''", "'SET timestamp = UNIX_TIMESTAMP() - 90'", "clock", " s behind"),
        ):
            mariadb_server.execute(f"SET GLOBAL {setting} = {faulty}")
            try:
                detail, advice = _failure(examine(DATABASE_URL=url), part)
            finally:
                mariadb_server.execute(f"SET GLOBAL {setting} = {usual}")
            assert text in detail
            assert advice


def test_few_connections_are_a_warning(examine: Examine, mariadb_server: MariaDb, mariadb_url: str) -> None:
    mariadb_server.execute("SET GLOBAL max_connections = 60")
    try:
        ((status, detail, advice),) = of(examine(DATABASE_URL=mariadb_url), "connections")
    finally:
        mariadb_server.execute("SET GLOBAL max_connections = 151")
    assert (status, "max_connections = 60" in detail, advice[:8]) == ("warning", True, "raise it")


def test_databases_that_do_not_exist_are_told_from_servers_that_do_not_run(
    examine: Examine, mariadb_server: MariaDb
) -> None:
    _, advice = _failure(examine(DATABASE_URL=mariadb_server.url("typo")), "database")
    assert advice.startswith("create the database")
    _, advice = _failure(examine(DATABASE_URL=f"mysql://root@127.0.0.1:{free_port()}/soundlift"), "database")
    assert advice == "check the host and the port in DATABASE_URL, and that the server runs"
    empty = mariadb_server.url(mariadb_server.new_database())
    assert of(examine(DATABASE_URL=empty), "tables") == [("failed", "there are none", "run `soundlift migrate`")]


@pytest.fixture
def queues(rabbitmq_node: RabbitMq) -> Iterator[RabbitMqQueues]:
    with RabbitMqQueues(rabbitmq_node) as queues:
        yield queues


def test_queues_without_consumers_and_with_dead_letters_are_reported(examine: Examine, queues: RabbitMqQueues) -> None:
    findings = examine(BROKER_URL=queues.url)
    assert of(findings, "broker")[0][0] == "ok"
    assert "import, mp3, video, webhook did not exist yet" in of(findings, "queues")[0][1]
    broker = queues.connect()
    queues.put("video", b"{}")
    delivery = broker.receive(["video"], 10)
    assert delivery is not None
    broker.reject(delivery, {"function": "convert", "status": 422, "detail": "no", "attempts": 1})
    findings = examine(BROKER_URL=queues.url)
    assert _failure(findings, "consumers") == (
        "nothing consumes import, mp3, webhook",
        "start the connector, and check its log",
    )
    assert of(findings, "dead letters")[0][:2] == ("warning", "video: 1")


def test_each_fault_of_a_broker_is_explained(examine: Examine, queues: RabbitMqQueues, rabbitmq_node: RabbitMq) -> None:
    examine(BROKER_URL=queues.url)
    detail, _ = _failure(examine(BROKER_URL=queues.url, QUEUE_TYPE="classic"), "broker")
    assert "inequivalent arg" in detail
    assert "set QUEUE_TYPE to its type" in detail
    detail, advice = _failure(examine(BROKER_URL=f"amqp://guest:{PASSWORD}@127.0.0.1:{rabbitmq_node.port}"), "broker")
    assert "ACCESS_REFUSED" in detail
    assert "check BROKER_URL" in advice
    detail, _ = _failure(examine(BROKER_URL=queues.url.replace("amqp:", "amqps:")), "broker")
    assert "SSL" in detail.upper()


def test_an_alarm_of_the_broker_is_reported(examine: Examine, queues: RabbitMqQueues, rabbitmq_node: RabbitMq) -> None:
    rabbitmq_node.control("set_vm_memory_high_watermark", "absolute", "1")
    try:
        detail, _ = _failure(examine(BROKER_URL=queues.url), "broker")
    finally:
        rabbitmq_node.control("set_vm_memory_high_watermark", "0.4")
    assert "accepts no messages at the moment" in detail


def test_stores_on_servers_are_probed(examine: Examine, s3_server: S3, mongodb_server: MongoDb) -> None:
    for url in (s3_server.url(), mongodb_server.url):
        findings = examine(MEDIA_URL=url)
        assert [of(findings, f"store {bucket}")[0][0] for bucket in ("videos", "mp3s")] == ["ok", "ok"]
    detail, advice = _failure(examine(MEDIA_URL=s3_server.url(bucket="no-such-bucket")), "store")
    assert "bucket" in detail
    assert advice.startswith("check bucket, keys, endpoint")


def _server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue())
    return context


def test_each_fault_of_a_mail_server_is_explained(examine: Examine, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with MailServer(starttls=_server_context(authority), login=("ada", "sesame1234")) as server:
        url = server.url.replace("//", "//ada:sesame1234@").replace("127.0.0.1", "localhost")
        found = of(examine(SMTP_URL=url, SMTP_CA_FILE=str(authority.ca_file)), "mail")
        assert found == [("ok", "localhost accepts the connection and the login, encrypted", "")]
        detail, _ = _failure(examine(SMTP_URL=url), "mail")
        assert "certificate" in detail
        wrong = url.replace("sesame1234", PASSWORD)
        detail, _ = _failure(examine(SMTP_URL=wrong, SMTP_CA_FILE=str(authority.ca_file)), "mail")
        assert "535" in detail
        assert server.messages == []
    with MailServer() as server:
        detail, advice = _failure(examine(SMTP_URL=server.url.replace("smtp:", "smtps:")), "mail")
        assert "SSL" in detail.upper()
        assert "SMTP_URL" in advice
    detail, _ = _failure(examine(SMTP_URL=f"smtp://127.0.0.1:{free_port()}"), "mail")
    assert "refused" in detail
