"""The URLs of RabbitMQ nodes, and TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from devservers.certificates import Authority
from devservers.ports import free_port
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.common.broker import open_broker
from soundlift.common.broker.rabbitmq.addresses import TlsFiles, read_addresses
from soundlift.common.errors import BrokerUnavailable, SettingError
from soundlift.common.settings import Settings
from tests.contract.broker.deliveries import VIDEO, event, id_of, receive
from tests.contract.broker.rabbitmq.conftest import NO_FILES, Connect


def test_the_first_of_several_urls_that_answers_is_used(rabbitmq_node: RabbitMq, connect: Connect) -> None:
    broker = connect(f"amqp://127.0.0.1:{free_port()},{rabbitmq_node.url}, amqp://127.0.0.1:{free_port()}")
    broker.publish(event())
    assert id_of(receive(broker, VIDEO)) == "1"
    assert list(broker.list()) == []


def test_a_broker_may_require_tls_and_a_client_certificate(rabbitmq_node: RabbitMq, connect: Connect) -> None:
    ca = str(rabbitmq_node.authority.ca_file)
    certificate, key = map(str, rabbitmq_node.authority.issue("client"))
    url = f"amqps://guest:guest@localhost:{rabbitmq_node.tls_port}"
    broker = connect(url, files=TlsFiles(ca, certificate, key))
    broker.publish(event())
    assert id_of(receive(broker, VIDEO)) == "1"
    assert list(broker.list()) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_broker_is_unavailable_if_either_side_does_not_trust_the_other(
    rabbitmq_node: RabbitMq, connect: Connect, known: bool
) -> None:
    ca = str(rabbitmq_node.authority.ca_file) if known else ""
    broker = connect(f"amqps://guest:guest@localhost:{rabbitmq_node.tls_port}", files=TlsFiles(ca))
    with pytest.raises(BrokerUnavailable):
        wait_for(broker.check, "the connection is refused")


@pytest.mark.parametrize("url", ["amqp://", "amqps:///video", "amqp://host:port", "amqp://a,redis://b", "amqp://a,"])
def test_a_malformed_url_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match="Setting BROKER_URL must be amqp://"):
        open_broker(Settings.from_environment({"BROKER_URL": url}))


def test_connections_have_a_heartbeat_and_time_outs_unless_the_url_sets_a_heartbeat() -> None:
    addresses = read_addresses("amqp://first, amqps://second?heartbeat=7", NO_FILES)
    waits = [(one.host, one.heartbeat, one.socket_timeout, one.stack_timeout) for one in addresses]
    assert waits == [("first", 30, 5, 10), ("second", 7, 5, 10)]


def test_the_certificate_is_verified_for_the_host_in_the_url() -> None:
    plain, secure = read_addresses("amqp://first,amqps://second", NO_FILES)
    assert plain.ssl_options is None
    assert secure.ssl_options is not None
    context = secure.ssl_options.context
    assert (secure.ssl_options.server_hostname, context.check_hostname) == ("second", True)
    assert context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("missing", ["BROKER_CA_FILE", "BROKER_CERT_FILE", "BROKER_KEY_FILE"])
def test_a_missing_tls_file_is_a_clear_error(tmp_path: Path, missing: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue()
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    files = {"BROKER_CA_FILE": str(authority.ca_file), "BROKER_CERT_FILE": str(both), "BROKER_KEY_FILE": str(key)}
    for scheme in ("amqp", "amqps"):
        open_broker(Settings.from_environment({"BROKER_URL": f"{scheme}://host", **files}))
    with pytest.raises(SettingError, match="BROKER_KEY_FILE: a file cannot be used") as refused:
        open_broker(Settings.from_environment({"BROKER_URL": "amqps://host", **files, missing: "/nowhere.pem"}))
    assert refused.value.evidence == {"setting": "BROKER_CA_FILE"}
