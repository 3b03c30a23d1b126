"""The client for many calls with the one behind it, as one that a test can close."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.adapters.http.curl import CurlTransport
from tocsin.adapters.http2.client import StreamsTransport
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach
from tocsin.ports.transport import Transport

Make = Callable[[Outbound], Transport]


class Streams(StreamsTransport):
    """Closes what it makes all other calls with as well."""

    def __init__(self, outbound: Outbound, reach: Reach) -> None:
        self._curl = CurlTransport(outbound, reach)
        super().__init__(outbound, reach, self._curl, self._curl.leave_room)

    async def close(self) -> None:
        """Close both."""
        await super().close()
        await self._curl.close()
