"""Posts requests that were written before, over keep-alive connections, each as soon as it can."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

CONNECTIONS = 64


@dataclass(slots=True)
class Posted:
    """How it went; ``latencies_s`` are those of single requests."""

    seconds: float = 0.0
    answered: int = 0
    refused: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def percentile_ms(self, share: float) -> float:
        """The latency below which *share* of the requests were answered."""
        ordered = sorted(self.latencies_s)
        return 1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> Posted:
    """Send all of *requests*, over so many connections, and count the answers."""
    return asyncio.run(_post(port, requests, connections))


async def _post(port: int, requests: Sequence[bytes], connections: int) -> Posted:
    loop = asyncio.get_running_loop()
    posted, rest = Posted(), list(reversed(requests))
    lines = [_Line(rest, posted) for _ in range(min(connections, len(requests)))]
    for line in lines:
        await loop.create_connection(lambda line=line: line, "127.0.0.1", port)  # type: ignore[misc]  # a default is the one way to bind it
    started = time.monotonic()
    for line in lines:
        line.begin()
    await asyncio.gather(*(line.done for line in lines))
    posted.seconds = time.monotonic() - started
    return posted


class _Line(asyncio.Protocol):
    """One connection: the next request goes when the one before is answered."""

    def __init__(self, rest: list[bytes], posted: Posted) -> None:
        self._rest = rest
        self._posted = posted
        self._answer = b""
        self._began_s = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def begin(self) -> None:
        if not self._rest:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._began_s = time.monotonic()
        self._transport.write(self._rest.pop())

    def data_received(self, data: bytes) -> None:
        # What is done right has no body, and what is refused ends the measurement anyway.
        self._answer += data
        if b"\r\n\r\n" not in self._answer:
            return
        self._posted.latencies_s.append(time.monotonic() - self._began_s)
        if self._answer.startswith(b"HTTP/1.1 204 "):
            self._posted.answered += 1
        else:
            self._posted.refused += 1
        self._answer = b""
        self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))
