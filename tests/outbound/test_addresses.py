"""No request goes to an address that is not public, in whatever form a URL, a name server or a redirect names it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from soundlift.common.outbound.client import OutboundClient
from soundlift.common.outbound.errors import AddressRefused, BadUrl, ConnectionFailed
from soundlift.common.outbound.policy import OutboundPolicy, destinations, is_public, plain_address, ports
from soundlift.common.outbound.request import OutboundRequest
from soundlift.common.outbound.url import parse_url
from tests.outbound.servers import LOOPBACK, RawServer, client, redirect, response

PUBLIC = OutboundPolicy()
NOT_PUBLIC = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1", "198.18.0.1"),
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1"),
    *("100::1", "2001::7f00:1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "4000::1", "5f00::1"),
    *("fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressRefused), client(PUBLIC, [address]).open(OutboundRequest(url="http://example.org/")):
        pass


@pytest.mark.parametrize("address", ["1.1.1.1", "9.9.9.9", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(ip_address(address))
    assert PUBLIC.permits("example.org", ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::ffff:7f00:1]"),
        *("2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "127.0.0.1.", "017700000001", "0"),
        *("１２７.0.0.1", "127。0。0。1", "[fe80::1%25lo]", "0x7f.1", "example.0x1"),
    ],
)
def test_no_form_of_a_literal_address_reaches_this_machine(host: str) -> None:
    with RawServer(response(b"secret")).running() as server:
        strict = OutboundClient(OutboundPolicy(ports=()))
        request = OutboundRequest(url=f"http://{host}:{server.port}/")
        with pytest.raises((AddressRefused, BadUrl)), strict.open(request):
            pass
        assert not server.heads


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "//example.org/", "example.org", ""),
        *("http://", "http:///path", "http://user@example.org/", "http://user:password@example.org/", "http://@a.org/"),
        *("http://example.org:22/", "http://example.org:0/", "http://example.org:99999/", "http://example.org:8o/"),
        *("http://example.org\\@127.0.0.1/", "http://exa mple.org/", "http://example.org/a b", "http://a.org/\r\nX: 1"),
        *(
            "http://example.org/\x00",
            "http://[::1",
            "http://::1/",
            "http://exa%6dple.org/",
            "http://-.org/",
            "http://a..b/",
        ),
        *(
            f"http://{'a' * 64}.org/",
            f"http://{'a.' * 127}org/",
            f"http://example.org/{'a' * 2048}",
            "http://\u2488.org/x y",
        ),
        *("http://example.org/\ud800", "http://ex\u00adample.org\u2028/", "http://xn--/"),
    ],
)
def test_a_url_that_others_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        parse_url(url, PUBLIC)


@pytest.mark.parametrize("text", [f"https://a.example/{'😀' * 200}", f"https://a.example/?{'b' * 2048}"])
def test_a_url_that_is_too_long_when_it_is_encoded_is_refused(text: str) -> None:
    with pytest.raises(BadUrl, match="at most 2048 characters"):
        parse_url(text, PUBLIC)
    assert parse_url(f"https://a.example/{'😀' * 150}", PUBLIC)


def test_a_url_is_read_with_its_international_name_and_path() -> None:
    url = parse_url("HTTPS://Straße.Example:443/Über/a%20b?q=ü&x=%2F#part", PUBLIC)
    assert str(url) == "https://xn--strae-oqa.example/%C3%9Cber/a%20b?q=%C3%BC&x=%2F"
    assert str(parse_url("http://[2606:4700::0:1111]", PUBLIC)) == "http://[2606:4700::1111]/"


def test_a_name_whose_answer_changes_is_connected_to_as_it_was_checked() -> None:
    with RawServer(response(b"secret")).running() as server:
        rebinding = client(OutboundPolicy(ports=()), ["10.255.255.1"], ["127.0.0.1"])
        for _ in range(2):  # a private address each time: neither the first answer nor the next one is used
            request = OutboundRequest(url=f"http://rebinding.example:{server.port}/")
            with pytest.raises(AddressRefused), rebinding.open(request):
                pass
        assert not server.heads


def test_a_name_is_resolved_once_per_request() -> None:
    with RawServer(response(b"public")).running() as server:
        rebinding = client(LOOPBACK, ["127.0.0.1"], ["10.255.255.1"])
        with rebinding.open(OutboundRequest(url=f"http://rebinding.example:{server.port}/")) as found:
            assert found.read_all() == b"public"


def test_only_the_permitted_addresses_of_a_name_are_tried_and_each_of_them() -> None:
    with RawServer(response(b"found")).running() as server:
        several = client(LOOPBACK, ["10.255.255.1", "127.0.0.9", "::1", "127.0.0.1", "127.0.0.1"])
        with several.open(OutboundRequest(url=f"http://several.example:{server.port}/")) as found:
            assert found.read_all() == b"found"
        assert f"Host: several.example:{server.port}\r\n" in server.heads[0]


def test_a_peer_with_another_address_than_the_checked_one_is_refused() -> None:
    """Connecting to 0.0.0.0 reaches 127.0.0.1 on Linux, as a transparent proxy would lead elsewhere."""
    with RawServer(response(b"secret")).running() as server:
        policy = OutboundPolicy((ip_network("0.0.0.0/32"),), ports=())
        with (
            pytest.raises(AddressRefused, match="reached another address"),
            client(policy, ["0.0.0.0"]).open(OutboundRequest(url=f"http://zero.example:{server.port}/")),
        ):
            pass
        assert not server.heads


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "//127.0.0.1:{port}/", "http://2130706433/"),
        *("http://localhost:{port}/", "file:///etc/passwd", "http://user@example.org/", "http://exa\xffmple.org/"),
        *("http://a.org:99999/", "http://[::1/", "http://inner.example:{port}/"),
    ],
)
def test_each_redirect_is_checked_as_the_first_url_was(location: str) -> None:
    with RawServer(response(b"secret")).running() as inner:
        target = location.format(port=inner.port).encode("latin-1")
        head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n"
        with RawServer(head, address="127.0.0.2").running() as outer:
            policy = OutboundPolicy((ip_network("127.0.0.2"),), ports=())
            following = client(policy, ["127.0.0.2"], ["127.0.0.1"])
            request = OutboundRequest(url=f"http://outer.example:{outer.port}/", follow_redirects=True)
            with pytest.raises(AddressRefused), following.open(request):
                pass
        assert not inner.heads


def test_a_redirect_is_followed_without_the_credentials_of_the_first_host() -> None:
    with (
        RawServer(response(b"found")).running() as second,
        RawServer(redirect(f"{second.url}/b?c=%20é")).running() as first,
    ):
        request = OutboundRequest(url=f"{first.url}/a", headers={"Authorization": "Bearer x"}, follow_redirects=True)
        with client().open(request) as found:
            assert (found.status, found.read_all(), found.url.port) == (200, b"found", second.port)
        assert "Authorization" in first.heads[0]
        assert "Authorization" not in second.heads[0]
        assert second.heads[0].startswith("GET /b?c=%20%C3%A9 HTTP/1.1\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_that_is_not_to_be_followed_is_a_response(method: str) -> None:
    with RawServer(redirect("http://127.0.0.1/")).running() as server:
        request = OutboundRequest(url=server.url, method=method, follow_redirects=method == "POST")
        with client().open(request) as found:
            assert found.status == 302


def test_allowed_hosts_and_networks_may_be_reached_besides_public_addresses() -> None:
    policy = OutboundPolicy(destinations("files.example, 10.1.0.0/16,fd00::/8"), ports("*"))
    assert policy.permits("files.example", ip_address("192.168.0.1"))
    assert policy.permits("other.example", ip_address("10.1.2.3"))
    assert policy.permits("other.example", ip_address("fd00::1"))
    assert not policy.permits("other.example", ip_address("10.2.0.1"))
    assert not policy.permits("files.example.org", ip_address("192.168.0.1"))
    assert plain_address("::ffff:10.1.2.3") == ip_address("10.1.2.3")
    assert policy.permits_port(22)
    for malformed in ("10.0.0.1/8", "*", "a b", "http://a", "1.2.3"):
        with pytest.raises(ValueError, match="must be a host"):
            destinations(malformed)
    for malformed in ("0", "65536", "http", ""):
        with pytest.raises(ValueError):
            ports(malformed)


@pytest.mark.parametrize("answer", [[], ["not an address"]])
def test_a_name_without_an_address_is_an_error(answer: list[str]) -> None:
    with (
        pytest.raises((ConnectionFailed, AddressRefused)),
        client(LOOPBACK, answer).open(OutboundRequest(url="http://a/")),
    ):
        pass


def test_a_name_that_the_system_does_not_know_is_an_error() -> None:
    with pytest.raises(ConnectionFailed), OutboundClient(LOOPBACK).open(OutboundRequest(url="http://unknown.invalid/")):
        pass


def test_the_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(response(b"proxy")).running() as proxy, RawServer(response(b"direct")).running() as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with client().open(OutboundRequest(url=server.url)) as found:
            assert found.read_all() == b"direct"


def test_the_family_of_the_address_is_that_of_the_socket() -> None:
    try:
        server = RawServer(response(b"six"), address="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server.running():
        with client(LOOPBACK, ["::1"]).open(OutboundRequest(url=f"http://six.example:{server.port}/")) as found:
            assert found.read_all() == b"six"
        with client().open(OutboundRequest(url=f"http://[::1]:{server.port}/")) as found:
            assert found.read_all() == b"six"
        assert f"Host: [::1]:{server.port}\r\n" in server.heads[1]
