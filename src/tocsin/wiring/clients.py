"""The clients for HTTP that providers call through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tocsin.adapters.http.curl import CurlTransport
from tocsin.adapters.http2.client import StreamsTransport
from tocsin.config import Misconfigured, Outbound
from tocsin.domain.hosts import Reach, networks
from tocsin.ports.provider import ProviderSpec
from tocsin.ports.transport import Transport


@dataclass(frozen=True, slots=True)
class Clients:
    """One for everybody, and beside it one for those with many calls to a host."""

    ordinary: Transport
    streams: Transport

    def of(self, spec: ProviderSpec) -> Transport:
        """Return the one that a provider calls through."""
        return self.streams if spec.multiplexed else self.ordinary

    async def close(self) -> None:
        """Close every connection."""
        await self.streams.close()
        await self.ordinary.close()


def open_clients(outbound: Outbound, played: Iterable[Mapping[str, object]] = ()) -> Clients:
    """
    Open both; raises `Misconfigured`.

    *played* are settings that lead to simulators: the addresses in them may be called although
    they are this machine's, and no others of it.
    """
    endpoints = [
        (where.hostname, where.port)
        for values in played
        for value in values.values()
        if isinstance(value, str) and value.startswith(("http://", "https://"))
        if (where := urlsplit(value)).hostname is not None and where.port is not None
    ]
    reach = reach_of(outbound, endpoints)
    ordinary = CurlTransport(outbound, reach)
    return Clients(ordinary, StreamsTransport(outbound, reach, ordinary, ordinary.leave_room))


def reach_of(outbound: Outbound, endpoints: Iterable[tuple[str, int]] = ()) -> Reach:
    """Return what may be called: as the settings say, and *endpoints*; raises `Misconfigured`."""
    try:
        allowed = networks(outbound.allowed_networks)
    except ValueError as error:
        raise Misconfigured([f"outbound.allowed_networks: {error}"]) from None
    return Reach(allowed, outbound.ports, endpoints)
