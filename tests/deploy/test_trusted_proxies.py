"""On a cluster, login trusts the pods through which requests reach it to name the client, and nobody outside."""

from __future__ import annotations

from ipaddress import ip_address

from soundlift.common.settings import Settings
from tests.deploy.platforms import STACK, pod_spec

PROXIES = STACK["login"]["environment"]["TRUSTED_PROXIES"]


def test_login_trusts_the_same_networks_on_both_platforms() -> None:
    (container,) = pod_spec("login")["containers"]
    assert {"name": "TRUSTED_PROXIES", "value": PROXIES} in container["env"]


def test_private_networks_and_knative_s_proxy_in_the_pod_are_trusted_and_public_addresses_are_not() -> None:
    networks = Settings.from_environment({"TRUSTED_PROXIES": PROXIES}).trusted_proxies

    def is_trusted(address: str) -> bool:
        return any(ip_address(address) in network for network in networks)

    assert all(
        map(is_trusted, ("127.0.0.1", "::1", "10.244.0.7", "172.17.0.2", "192.168.1.1", "100.64.0.1", "fd00::7"))
    )
    assert not any(map(is_trusted, ("203.0.113.7", "172.32.0.1", "8.8.8.8", "2001:db8::1", "fe80::1")))
