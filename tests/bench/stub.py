"""A throw-away server with the outside that the benchmarks use, and nothing behind it.

``python -m tests.bench.stub up --data DIR --port N`` runs it as a process. WebSockets go through
the library's protocol, so that the load generator is tested against somebody else's reading of
RFC 6455.
"""

import argparse
import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

KEY = "tcs_stub"


@dataclass
class Socket:
    """One connected client."""

    protocol: ServerProtocol
    writer: asyncio.StreamWriter
    recipient: str
    frames: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever writes a frame in pieces holds it."""


@dataclass
class Behaviour:
    """How the stub treats events and sockets, apart from taking and delivering everything."""

    answer: Callable[[int, int], tuple[int, list[int]]] | None = None
    """(request number, events in it) → status and the indexes of the events taken."""
    split: bool = False
    """Write frames in small pieces, and messages in two frames with a ping between."""
    pair: bool = False
    """Hold every other item back and send two in one array."""
    twice: bool = False
    """Deliver everything twice."""
    drop_every: int = 0
    """Deliver nothing for every n-th event."""
    hang_up_after: int = 0
    """Close a recipient's first socket instead of delivering the n-th event of all."""


class Stub:
    """The server; ``async with Stub(...) as stub`` listens on ``stub.port``."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.sockets: dict[str, Socket] = {}
        self._events = 0
        self._missed: list[dict[str, Any]] = []
        self.requests = 0
        self.accepted = 0
        self.people = 0
        self.news = False
        self.port = 0
        self.samples: deque[dict[str, Any]] = deque(maxlen=10)
        self._held: dict[str, dict[str, Any]] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def listen(self, port: int) -> None:
        """Accept connections on a loopback port; 0 takes a free one."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"upgrade: websocket" in head.lower():
                    await self._serve_socket(head, reader, writer)
                    return
                await self._serve_request(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    # -- HTTP

    async def _serve_request(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        start, *lines = head.decode().split("\r\n")
        method, target, _ = start.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in _fields(lines)}
        if "chunked" in headers.get("transfer-encoding", ""):
            body = await _chunked(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        status, document = await self._answer(method, target.partition("?")[0], headers, body)
        if isinstance(document, str):
            text = document.encode()
        else:
            text = json.dumps(document, separators=(",", ":")).encode()
        writer.write(
            b"HTTP/1.1 %d Stub\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)
        )
        await writer.drain()

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        if path == "/readyz":
            return 200, {}
        if path == "/v1/events" and method == "POST":
            assert headers["authorization"] == f"Bearer {KEY}"
            return await self._take_events(json.loads(body), headers["content-type"])
        if path == "/v1/recipients/import":
            count = sum(1 for line in body.splitlines() if json.loads(line)["id"])
            self.people += count
            return 200, {"created": count, "problems": []}
        if path == "/v1/tokens":
            return 201, {"token": f"token-{json.loads(body)['recipient']}"}
        if path == "/metrics":
            return 200, f'tocsin_deliveries_settled_total{{lane="bulk"}} {self.accepted}.0\n'
        if path == "/v1/audit":
            return 200, {"events": {"routed": self.accepted, "waiting": 0}, "pending": 0}
        if path == "/v1/inbox":
            return 200, {"items": [{"title": "News 1"}] if self.news else []}
        return 200, {"method": method, "path": path}

    async def _take_events(self, document: Any, content_type: str) -> tuple[int, Any]:
        single = isinstance(document, dict)
        if "+json" in content_type:
            assert single == (content_type == "application/cloudevents+json")
        events = [document] if single else document
        status, taken = 202, list(range(len(events)))
        if self.behaviour.answer is not None:
            status, taken = self.behaviour.answer(self.requests, len(events))
        self.requests += 1
        self.accepted += len(taken)
        for index in taken:
            await self._deliver(events[index])
        if status >= 400:
            return status, {"code": "refused"}
        answers = [
            {"id": f"evt_{index}", "duplicate": False} if index in taken else {"code": "bad"}
            for index in range(len(events))
        ]
        return status, {"events": answers}

    # -- WebSocket

    async def _serve_socket(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        protocol = ServerProtocol(select_subprotocol=_subprotocol)
        protocol.receive_data(head)
        request = protocol.events_received()[0]
        assert isinstance(request, Request)
        protocol.send_response(protocol.accept(request))
        offered = request.headers["Sec-WebSocket-Protocol"]
        recipient = offered.partition("bearer.token-")[2].strip()
        socket = Socket(protocol, writer, recipient)
        self.sockets[recipient] = socket
        await self._say(socket, {"type": "hello", "cursor": "0", "counts": {}})
        while data := await reader.read(65536):
            protocol.receive_data(data)
            for event in protocol.events_received():
                assert isinstance(event, Frame)
                socket.frames[event.opcode.name] += 1
                if event.opcode is Opcode.TEXT:
                    socket.said.append(bytes(event.data).decode())
                    missed, self._missed = self._missed, []
                    for each in missed:
                        await self._deliver(each)
            writer.write(b"".join(protocol.data_to_send()))
        protocol.receive_eof()

    async def _deliver(self, event: dict[str, Any]) -> None:
        self.samples.append(event)
        self._events += 1
        if event["type"] == "bench.everyone":
            self.news = True
            return
        data = event["data"]
        socket = self.sockets.get(data["customer_id"])
        drop = self.behaviour.drop_every
        if socket is not None and self._events == self.behaviour.hang_up_after:
            self.sockets.pop(socket.recipient).writer.close()
            socket = None
        if socket is None and self._events >= self.behaviour.hang_up_after > 0:
            self._missed.append(event)
            return
        if socket is None or (drop and int(event["subject"].partition("/")[2]) % drop == 0):
            return
        item = {
            "type": "item",
            "item": {
                "id": f"ntf_{event['id']}",
                "title": f"Order {data['order']}",
                "body": f"sent={data['sent']}",
            },
        }
        for _ in range(2 if self.behaviour.twice else 1):
            await self._say_item(socket, item)

    async def _say_item(self, socket: Socket, item: dict[str, Any]) -> None:
        if not self.behaviour.pair:
            await self._say(socket, item)
        elif (held := self._held.pop(socket.recipient, None)) is None:
            self._held[socket.recipient] = item
        else:
            await self._say(socket, [held, item])

    async def _say(self, socket: Socket, message: Any) -> None:
        text = json.dumps(message, separators=(",", ":")).encode()
        protocol, writer = socket.protocol, socket.writer
        if not self.behaviour.split:
            protocol.send_text(text)
            writer.write(b"".join(protocol.data_to_send()))
            return
        protocol.send_text(text[:50], fin=False)
        protocol.send_ping(b"between two fragments")
        protocol.send_continuation(text[50:], fin=True)
        data = b"".join(protocol.data_to_send())
        async with socket.turn:
            for at in range(0, len(data), 37):
                writer.write(data[at : at + 37])
                # Lets others run, so that the client reads frames in pieces.
                await asyncio.sleep(0)


def _fields(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines if line]


def _subprotocol(_protocol: ServerProtocol, offered: Any) -> Subprotocol | None:
    return next((name for name in offered if name.startswith("tocsin.v1")), None)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["up"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    given.data.mkdir(parents=True, exist_ok=True)
    (given.data / "sandbox.key").write_text(KEY)
    stub = Stub()
    await stub.listen(given.port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
