"""The optional policies let fetch connect to public addresses and the services it needs, as far as imports may."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from soundlift.common.outbound.policy import is_public
from soundlift.common.settings import Settings
from tests.factories.manifests import DEPLOY, only_manifest
from tests.outbound.test_addresses import NOT_PUBLIC


@pytest.mark.parametrize("platform", ["openfaas", "knative"])
def test_the_internet_of_fetch_is_that_of_imports(platform: str) -> None:
    spec = only_manifest(DEPLOY / platform / "fetch-network-policy.yaml", "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Egress"]
    assert list(spec["podSelector"]["matchLabels"].values()) == ["fetch"]
    internet, *_ = spec["egress"]
    assert tuple(rule["port"] for rule in internet["ports"]) == Settings().outbound_ports
    blocks = [peer["ipBlock"] for peer in internet["to"]]

    def permits(text: str) -> bool:
        address = ip_address(text)
        return any(
            address in ip_network(block["cidr"]) and not any(address in ip_network(each) for each in block["except"])
            for block in blocks
        )

    for address in ("1.1.1.1", "172.15.0.1", "2606:4700::1111"):
        assert is_public(ip_address(address))
        assert permits(address)
    documentation = ("192.0.2.1", "192.88.99.1", "203.0.113.1")  # reach nobody
    assert not any(permits(address) for address in NOT_PUBLIC if address not in documentation)
