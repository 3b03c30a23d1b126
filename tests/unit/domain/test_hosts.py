"""What may be called: every range that is not the public internet, and every spelling."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from tocsin.domain.hosts import Reach, is_public_address, is_public_host, networks

# One or two of each range of the registries of special addresses (RFC 6890 and what came since),
# of what hides an IPv4 address in an IPv6 one, and of what clouds tell about a machine.
INSIDE = (
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:53aa:64c:0:fbff:80ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)
OUTSIDE = (
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00:1450::1",
)
NO_HOSTS = (
    *INSIDE,
    "",
    ".",
    "localhost",
    "localhost.",
    "printer.local",
    "metadata.google.internal",
    "a.localhost",
    "router.home.arpa",
    "single",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "a..b",
    "a b.example",
    "-a.example",
    "x" * 64 + ".example",
    "a." * 130 + "example",
    "fe80::1%eth0",
    "1.2.3.4.5",
)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    assert not is_public_address(ip_address(address))
    assert not Reach().permits(address, 443)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_public_is_reached_on_the_usual_ports(address: str) -> None:
    assert Reach().permits(address, 443)
    assert Reach().permits(address, 80)
    assert not Reach().permits(address, 22)
    assert Reach(ports=[22]).permits(address, 22)


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_names_no_public_host_is_told_by_its_look(host: str) -> None:
    assert not is_public_host(host)


@pytest.mark.parametrize("host", [*OUTSIDE, "shop.example", "Shop.Example.", "a-b.c1.example"])
def test_a_public_host_may_be_named(host: str) -> None:
    assert is_public_host(host)


def test_an_allowed_network_is_reached_on_every_port_and_nothing_beside_it() -> None:
    reach = Reach(networks(["10.1.0.0/16", "fd00:1::/32", "64:ff9b::/96"]))
    for address in ("10.1.2.3", "fd00:1::5", "64:ff9b::808:808"):
        assert reach.permits(address, 9_000)
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::5", "::ffff:10.1.2.3"):
        assert not reach.permits(address, 443)


def test_an_endpoint_is_one_address_and_one_port() -> None:
    reach = Reach(endpoints=[("127.0.0.1", 4_000)])
    assert reach.permits("127.0.0.1", 4_000)
    for address, port in (("127.0.0.1", 4_001), ("127.0.0.2", 4_000), ("::1", 4_000)):
        assert not reach.permits(address, port)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "", "nonsense", "/run/socket", "1.2.3"])
def test_what_is_no_address_is_not_reached(address: str) -> None:
    assert not Reach().permits(address, 443)


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="10"):
        networks(["10.0.0.1/8"])
