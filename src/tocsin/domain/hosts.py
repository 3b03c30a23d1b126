"""
Which hosts a request to the outside may name, and which addresses it may reach.

The first is checked when an address is stored, before any name is resolved; the second each time
a connection is made, since a name may lead somewhere else every time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

_DENIED_V4: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        # What Azure's machines ask about themselves: a public address that only they reach.
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6 only what is given out as global unicast may be called, less its special parts: Teredo
# and the other protocol assignments, documentation, and 6to4, which hides an IPv4 address.
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_DENIED_V6: Final = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_PORTS: Final = frozenset({80, 443})
_NAME: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]\Z", re.ASCII
)
_LOCAL_ENDINGS: Final = (".localhost", ".local", ".internal", ".home.arpa")


def is_public_address(address: IPv4Address | IPv6Address) -> bool:
    """
    Return whether *address* lies on the public internet.

    ``ipaddress.is_global`` is not enough: it lets multicast, NAT64 and others through.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _DENIED_V6)


def is_public_host(host: str) -> bool:
    """
    Return whether *host*, as it stands in a URL, may be public: a full name or an address.

    A name that looks like a number in any notation is none: resolvers read ``127.1``,
    ``2130706433`` and ``0x7f000001`` as addresses of this machine.
    """
    name = host.lower().removesuffix(".")
    try:
        return is_public_address(ip_address(name))
    except ValueError:
        pass
    last = name.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x") or name.endswith(_LOCAL_ENDINGS):
        return False
    return len(name) <= 253 and _NAME.match(name) is not None


class Reach:
    """
    What may be called: the public internet on the usual ports, and networks that are allowed.

    An allowed network is allowed on every port. *endpoints* are single addresses with a port that
    are allowed beside.
    """

    def __init__(
        self,
        networks: Iterable[IPv4Network | IPv6Network] = (),
        ports: Iterable[int] = _PORTS,
        endpoints: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._networks = tuple(networks)
        self._ports = frozenset(ports)
        self._endpoints = frozenset(endpoints)

    def permits(self, address: str, port: int) -> bool:
        """Return whether a connection may be made to *address*, as a socket names it."""
        try:
            # A zone (``%eth0``) only goes with addresses that are not public.
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if (address, port) in self._endpoints or any(found in each for each in self._networks):
            return True
        return port in self._ports and is_public_address(found)


def networks(texts: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    """Read networks as ``10.1.0.0/16``; raises ValueError with what is none."""
    return [ip_network(text) for text in texts]
